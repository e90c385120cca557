"""Owns the group `router`: it tells single people of events at once, and queues walks through audiences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from bus.outbox import CHANNEL
from routing.catalog import CATALOG, Audience, Entry, Everyone, said
from routing.courtesy import Courtesy
from routing.languages import told_apart
from routing.people import People
from routing.telling import Teller
from schemas.clock import Clock
from schemas.db import Connection
from schemas.events.base import Event
from schemas.store.walks import Walks

GROUP: Final = "router"
TOLD_OF: Final[tuple[type[Event], ...]] = tuple(event for event, entries in CATALOG.items() if entries)


@dataclass(frozen=True, slots=True)
class _Line:
    """One row of the catalogue for one event, with the people it names."""

    event: Event
    entry: Entry
    users: tuple[str, ...]


class Router:
    """Applies the catalogue, in the transaction of the group; `queued` is called when walks were added."""

    def __init__(
        self,
        teller: Teller,
        people: People,
        clock: Clock,
        queued: Callable[[], None] = lambda: None,
        courtesy: Courtesy | None = None,
    ) -> None:
        self._teller = teller
        self._people = people
        self._clock = clock
        self._queued = queued
        self._courtesy = courtesy or Courtesy()
        self._walks = Walks()

    async def handle(self, tx: Connection, events: Sequence[Event]) -> None:
        """Tell whom the events name; whole audiences are left to the walker."""
        lines, walks = _plan(events)
        if lines:
            with self._courtesy.urgent():
                await self._tell(tx, lines)
            await tx.execute(f"NOTIFY {CHANNEL}")  # heard when this transaction is committed
        if walks:
            await self._walks.add(tx, walks)
            self._queued()

    async def _tell(self, tx: Connection, lines: Sequence[_Line]) -> None:
        users = {user for line in lines for user in line.users}
        await self._teller.share(tx, users)
        people = await self._people.load(tx, users)
        actors = {actor for line in lines if (actor := getattr(line.event, line.entry.actor, None))}
        names = await self._people.names(tx, actors)
        tellings = [
            telling
            for line in lines
            for telling in told_apart(
                partial(said, line.event, line.entry, names),
                [people[user] for user in line.users if user in people],
            )
        ]
        await self._teller.tell_all(tx, tellings, self._clock.now())


def _plan(events: Sequence[Event]) -> tuple[list[_Line], list[tuple[UUID, int]]]:
    """Part what is told at once from what is walked, in the order of events and of the catalogue's rows."""
    lines: list[_Line] = []
    walks: list[tuple[UUID, int]] = []
    for event in events:
        for step, entry in enumerate(CATALOG[type(event)]):
            match entry.recipients:
                case Everyone():
                    walks.append((event.id, step))
                case Audience() as audience:
                    if audience.target(event) is not None:
                        walks.append((event.id, step))
                case named:
                    if users := named.users(event):
                        lines.append(_Line(event, entry, users))
    return lines, walks
