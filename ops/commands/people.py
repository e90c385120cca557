"""Owns the commands about people: suspension, erasure."""

import asyncio
from pathlib import Path

import click

from ops.commands.options import data_dir_option


@click.group()
def users() -> None:
    """Suspend, resume and erase people."""


@users.command()
@click.argument("user")
@data_dir_option
def suspend(user: str, data_dir: Path | None) -> None:
    """Cut USER's connections now and keep USER out."""
    from ops import people
    from ops.effective import effective

    asyncio.run(people.suspend(effective(data_dir), user))
    click.echo(f"{user} is suspended")


@users.command()
@click.argument("user")
@data_dir_option
def resume(user: str, data_dir: Path | None) -> None:
    """Let USER in again."""
    from ops import people
    from ops.effective import effective

    asyncio.run(people.resume(effective(data_dir), user))
    click.echo(f"{user} may come in again")


@users.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_dir_option
def erase(user: str, yes: bool, data_dir: Path | None) -> None:
    """Replace USER's id and words in the log by a tombstone, and forget the profile."""
    from ops import people
    from ops.effective import effective

    settings = effective(data_dir)
    if not yes:
        person = asyncio.run(people.named(settings, user))
        click.confirm(f"This cannot be undone. Erase {person}?", abort=True)
    erasure = asyncio.run(people.erase(settings, user))
    click.echo(f"{user} is erased; {erasure.rewritten} events were rewritten")
    if erasure.left:
        raise click.ClickException(
            f"{erasure.left} events stay as they were, for this version of the hub cannot read them:"
            f" run `hub users erase {user}` with the newest version again"
        )
