"""Owns the commands for work that was set aside: dlq and replay."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ops.commands.options import data_dir_option

SEQ = click.IntRange(1, 2**63 - 1)


class Group(click.ParamType[str]):
    """The name of a group, looked up only when one is given."""

    name = "group"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from ops.wiring import table_of_consumers

        groups = [consumer.group for consumer in table_of_consumers()]
        if value not in groups:
            self.fail(f"there is no group {value!r}; there is: {', '.join(groups)}", param, ctx)
        return str(value)


@click.group()
def dlq() -> None:
    """Look at parked and dead work, and redrive it."""


@dlq.command("list")
@click.option("--group", type=Group(), help="Only of this group.")
@click.option("--state", type=click.Choice(["dead", "parked", "all"]), default="all", show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@data_dir_option
def list_(group: str | None, state: str, limit: int, data_dir: Path | None) -> None:
    """List parked and dead events, one line each."""
    from ops.aside import find
    from ops.effective import effective

    states = ["dead", "parked"] if state == "all" else [state]
    found = asyncio.run(find(effective(data_dir), group, states, limit))
    for event in found:
        error = (event.error or "").splitlines()[0][:80] if event.error else ""
        what = f"{event.type or '(gone)'}  {event.subject}"
        click.echo(f"{event.group}  {event.seq}  {event.state}  {event.attempts}×  {what}  {error}")
    if not found:
        click.echo("nothing is parked and nothing is dead", err=True)


@dlq.command()
@click.argument("seq", type=SEQ)
@click.option("--group", type=Group(), help="Needed only when several groups set it aside.")
@data_dir_option
def show(seq: int, group: str | None, data_dir: Path | None) -> None:
    """Show everything about the event with the number SEQ."""
    from ops import aside
    from ops.effective import effective

    found = asyncio.run(aside.show(effective(data_dir), group, seq))
    if not found:
        raise click.ClickException(
            f"no group has set aside an event with the number {seq}; `hub dlq list` shows them"
        )
    if len(found) > 1:
        names = ", ".join(event.group for event in found)
        raise click.UsageError(f"several groups set it aside, name one with --group: {names}")
    click.echo(json.dumps(asdict(found[0]), indent=2, default=str))


@dlq.command()
@click.option("--group", type=Group(), required=True)
@click.argument("seqs", type=SEQ, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All dead events of the group.")
@data_dir_option
def redrive(group: str, seqs: tuple[int, ...], everything: bool, data_dir: Path | None) -> None:
    """Give dead events new attempts. They are late: later events of their subject may be done already."""
    from ops import aside
    from ops.effective import effective

    if everything == bool(seqs):
        raise click.UsageError("name the numbers of events, or --all")
    count = asyncio.run(aside.redrive(effective(data_dir), group, None if everything else seqs))
    click.echo(f"{count} events get new attempts")


@click.command()
@click.option("--group", type=Group(), required=True)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]), help="UTC"
)
@data_dir_option
def replay(group: str, since: datetime | None, data_dir: Path | None) -> None:
    """Rebuild what a group made, from the log; only for groups that can be rebuilt."""
    from ops.effective import effective
    from ops.replay import replay as begin_anew

    start = since.replace(tzinfo=UTC) if since else None
    asyncio.run(begin_anew(effective(data_dir), group, start))
    click.echo(f"{group} is being rebuilt from {start.isoformat() if start else 'the beginning'}")
