"""Owns the commands for work that was set aside: dlq and replay."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from ops.commands.options import data_dir_option

if TYPE_CHECKING:
    from ops.settings import Settings

SEQ = click.IntRange(1, 2**63 - 1)
MOST_STEPS = 100  # far more than any event has audiences


class Group(click.ParamType[str]):
    """The name of a group, looked up only when one is given."""

    name = "group"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        groups = self.known()
        if value not in groups:
            self.fail(f"there is no group {value!r}; there is: {', '.join(groups)}", param, ctx)
        return str(value)

    def known(self) -> list[str]:
        from ops.wiring import table_of_consumers

        return [consumer.group for consumer in table_of_consumers()]


class Numbered(Group):
    """The name of a group, or `updates`: what has numbers."""

    def known(self) -> list[str]:
        from ops.aside import UPDATES

        return [*super().known(), UPDATES]


class Aside(Group):
    """The name of a group, `deliveries`, `walks` or `updates`."""

    def known(self) -> list[str]:
        from ops.aside import DELIVERIES, UPDATES, WALKS

        return [*super().known(), DELIVERIES, WALKS, UPDATES]


@click.group()
def dlq() -> None:
    """Look at parked and dead work, and redrive it."""


@dlq.command("list")
@click.option(
    "--group", type=Aside(), help="Only of this group; `deliveries`, `walks`, `updates`: only those."
)
@click.option("--state", type=click.Choice(["dead", "parked", "all"]), default="all", show_default=True)
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@data_dir_option
def list_(group: str | None, state: str, limit: int, data_dir: Path | None) -> None:
    """List parked and dead events, dead walks and updates, and deliveries that failed; one line each."""
    from ops.aside import DELIVERIES, UPDATES, WALKS
    from ops.effective import effective

    settings = effective(data_dir)
    others = {WALKS: _walks, UPDATES: _updates, DELIVERIES: _deliveries}
    lines = [] if group in others else _events(settings, group, state, limit)
    for name, dead in others.items():
        if group in {None, name} and state != "parked":
            lines += dead(settings, limit)
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("nothing is parked and nothing is dead", err=True)


def _events(settings: "Settings", group: str | None, state: str, limit: int) -> list[str]:
    from ops.aside import find

    states = ["dead", "parked"] if state == "all" else [state]
    lines = []
    for event in asyncio.run(find(settings, group, states, limit)):
        error = (event.error or "").splitlines()[0][:80] if event.error else ""
        what = f"{event.type or '(gone)'}  {event.subject}"
        lines.append(f"{event.group}  {event.seq}  {event.state}  {event.attempts}×  {what}  {error}")
    return lines


def _deliveries(settings: "Settings", limit: int) -> list[str]:
    from ops.aside import DELIVERIES, failed_deliveries

    return [
        f"{DELIVERIES}  {one.id}  {one.status}  {one.attempts}×  {one.topic}  {one.channel} to {one.user_id}"
        f"  {one.reason or ''}"
        for one in asyncio.run(failed_deliveries(settings, limit))
    ]


def _walks(settings: "Settings", limit: int) -> list[str]:
    from ops.aside import WALKS, dead_walks

    return [
        f"{WALKS}  {one.event_id}  dead  {one.attempts}×  {one.type or '(gone)'}  {one.done} people told"
        f"  {(one.error or '').partition(chr(10))[0][:80]}"
        for one in asyncio.run(dead_walks(settings, limit))
    ]


def _updates(settings: "Settings", limit: int) -> list[str]:
    from ops.aside import UPDATES, dead_updates

    return [
        f"{UPDATES}  {one.update_id}  dead  {one.attempts}×  {one.kind or '(unknown)'}"
        f"  chat {one.chat or '(none)'}  {one.error or ''}"
        for one in asyncio.run(dead_updates(settings, limit))
    ]


@dlq.command()
@click.argument("name", metavar="SEQ|ID")
@click.option(
    "--group", type=Numbered(), help="`updates`, or a group: needed only when several set the event aside."
)
@data_dir_option
def show(name: str, group: str | None, data_dir: Path | None) -> None:
    """Show everything about the event with the number SEQ, or the delivery or the walks with the ID.

    With --group updates SEQ is the number of an update of Telegram, and what somebody wrote is shown.
    """
    from ops.aside import UPDATES
    from ops.effective import effective

    settings = effective(data_dir)
    if group == UPDATES:
        shown: Any = _update(settings, SEQ(name))
    else:
        shown = _event(settings, group, SEQ(name)) if name.isdecimal() else _other(settings, _id(name))
    click.echo(json.dumps(shown, indent=2, default=str))


def _event(settings: "Settings", group: str | None, seq: int) -> dict[str, Any]:
    from ops import aside

    found = asyncio.run(aside.show(settings, group, seq))
    if not found:
        raise click.ClickException(
            f"no group has set aside an event with the number {seq}; `hub dlq list` shows them"
        )
    if len(found) > 1:
        names = ", ".join(event.group for event in found)
        raise click.UsageError(f"several groups set it aside, name one with --group: {names}")
    return asdict(found[0])


def _update(settings: "Settings", number: int) -> dict[str, Any]:
    from ops.aside import show_update

    if found := asyncio.run(show_update(settings, number)):
        return asdict(found)
    raise click.ClickException(
        f"there is no update with the number {number}; `hub dlq list --group updates` shows those that failed"
    )


def _other(settings: "Settings", name: UUID) -> dict[str, Any] | list[dict[str, Any]]:
    from ops import aside

    if delivery := asyncio.run(aside.show_delivery(settings, name)):
        return delivery
    if walks := asyncio.run(aside.dead_walks(settings, MOST_STEPS, name)):
        return [asdict(walk) for walk in walks]
    raise click.ClickException(
        f"no delivery and no dead walk has the id {name}; `hub dlq list` shows those that failed"
    )


@dlq.command()
@click.option("--group", type=Aside(), required=True, help="A group, `deliveries`, `walks` or `updates`.")
@click.argument("names", nargs=-1, metavar="[SEQ|ID]...")
@click.option(
    "--all", "everything", is_flag=True, help="All dead events of the group; all that failed or died."
)
@data_dir_option
def redrive(group: str, names: tuple[str, ...], everything: bool, data_dir: Path | None) -> None:
    """Give dead events, deliveries, walks or updates new attempts.

    Events are late: later ones of their subject may be done already. Deliveries go by their ids; one that is
    `unknown` may have arrived, and then arrives twice. Walks go by the ids of their events: they go on where
    they stand, and nobody is told twice. Updates of Telegram go by their numbers: they are handled as if they
    came now, without the token that followed /start.
    """
    from ops.aside import DELIVERIES, UPDATES, WALKS
    from ops.effective import effective

    if everything == bool(names):
        raise click.UsageError(
            "name the numbers of events or updates (or ids of deliveries or walks), or --all"
        )
    count, missed = _redriven(effective(data_dir), group, None if everything else names)
    click.echo(f"new attempts: {count} {group if group in {DELIVERIES, WALKS, UPDATES} else 'events'}")
    if missed:
        raise click.ClickException(
            f"{missed} of those named had nothing to redrive; `hub dlq list --group {group}` shows what has"
        )


def _redriven(settings: "Settings", group: str, names: Collection[str] | None) -> tuple[int, int]:
    """Answer how much has new attempts, and how many of those named have none."""
    from ops import aside

    if group in {aside.DELIVERIES, aside.WALKS}:
        ids = None if names is None else {_id(name) for name in names}
        if group == aside.WALKS:  # an event may have several
            walks = asyncio.run(aside.redrive_walks(settings, ids))
            return len(walks), len((ids or set()) - set(walks))
        count = asyncio.run(aside.redrive_deliveries(settings, ids))
        return count, len(ids) - count if ids else 0
    numbers = None if names is None else {SEQ(name) for name in names}
    if group == aside.UPDATES:
        count = asyncio.run(aside.redrive_updates(settings, numbers))
    else:
        count = asyncio.run(aside.redrive(settings, group, numbers))
    return count, len(numbers) - count if numbers else 0


def _id(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        raise click.UsageError(
            f"{name!r} is no id: deliveries go by their ids, walks by those of their events; "
            "`hub dlq list` shows them"
        ) from None


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
