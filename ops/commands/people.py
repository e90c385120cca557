"""Owns the commands about people: suspension, erasure."""

import asyncio
from pathlib import Path

import click

from bus.base import PUSH, events_stream
from bus.outbox import CHANNEL, Outbox
from ops.commands.options import data_dir_option
from ops.commands.pool import database
from ops.effective import effective
from ops.settings import Settings
from ops.wiring import base
from schemas.store.erasure import Erasure, erase_user
from schemas.store.users import Users


@click.group()
def users() -> None:
    """Suspend, resume and erase people."""


@users.command()
@click.argument("user")
@data_dir_option
def suspend(user: str, data_dir: Path | None) -> None:
    """Cut USER's connections now and keep USER out."""
    asyncio.run(_suspend(effective(data_dir), user))
    click.echo(f"{user} is suspended")


@users.command()
@click.argument("user")
@data_dir_option
def resume(user: str, data_dir: Path | None) -> None:
    """Let USER in again."""
    asyncio.run(_resume(effective(data_dir), user))
    click.echo(f"{user} may come in again")


@users.command()
@click.argument("user")
@click.confirmation_option(prompt="This cannot be undone. Erase this person?")
@data_dir_option
def erase(user: str, data_dir: Path | None) -> None:
    """Replace USER's id and words in the log by a tombstone, and forget the profile."""
    erasure = asyncio.run(_erase(effective(data_dir), user))
    click.echo(f"{user} is erased; {erasure.rewritten} events were rewritten")
    if erasure.left:
        raise click.ClickException(
            f"{erasure.left} events stay as they were, for this version of the hub cannot read them:"
            f" run `hub users erase {user}` with the newest version again"
        )


async def _erase(settings: Settings, user: str) -> Erasure:
    async with base(settings) as parts:
        erasure = await erase_user(parts.pool, user)
        # The streams may still hold the words; the relay fills them again from the log.
        partitions = range(parts.instance.partitions)
        await parts.bus.drop([PUSH, *(events_stream(partition) for partition in partitions)])
        return erasure


async def _suspend(settings: Settings, user: str) -> None:
    async with database(settings) as pool, pool.acquire() as tx, tx.transaction():
        await Users().suspend(tx, user)
        await Outbox(pool).control(tx, "suspend", user)  # also when it was so already: cut what is open
        await tx.execute(f"NOTIFY {CHANNEL}")


async def _resume(settings: Settings, user: str) -> None:
    async with database(settings) as pool, pool.acquire() as tx, tx.transaction():
        if not await Users().resume(tx, user):
            raise click.ClickException(f"{user} is not suspended")
