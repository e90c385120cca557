"""Owns what a delivery says and to whom, told anew from its event just before it is sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog

from routing.catalog import CATALOG, said
from routing.model import Notification, Recipient
from schemas.db import Connection, Row
from schemas.events.base import Event
from schemas.events.registry import REGISTRY
from schemas.store import events as store
from schemas.store.deliveries import Delivery
from schemas.store.users import Users

log = structlog.get_logger(__name__)

READ = """
SELECT n.user_id, n.id FROM notifications n
JOIN unnest($1::text[], $2::uuid[]) AS g (user_id, id) ON n.user_id = g.user_id AND n.id = g.id
WHERE n.state <> 'unread'
"""


@dataclass(frozen=True, slots=True)
class Told:
    """All that deciding again takes; `read`: the person has seen it in the inbox."""

    notification: Notification
    recipient: Recipient
    read: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A delivery whose event cannot be told; `why` names no content."""

    why: str


class Tellings(Protocol):
    """Tells deliveries anew; one whose event is forgotten is missing in the answer."""

    async def load(
        self, tx: Connection, deliveries: Sequence[Delivery]
    ) -> Mapping[UUID, Told | Unreadable]: ...


class Recipients(Protocol):
    """Answers what must be known of people to decide."""

    async def load(self, tx: Connection, users: Sequence[str]) -> Mapping[str, Recipient]: ...


class Retelling:
    """Tells from the log of events, the catalogue, and what people want at this moment."""

    def __init__(self, people: Recipients) -> None:
        self._people = people
        self._users = Users()

    async def load(self, tx: Connection, deliveries: Sequence[Delivery]) -> dict[UUID, Told | Unreadable]:
        events = await _events(tx, {one.event_id for one in deliveries})
        names = await self._names(tx, [one for one in events.values() if isinstance(one, Event)])
        people = await self._people.load(tx, list({one.user_id for one in deliveries}))
        read = await _read(tx, deliveries)
        told: dict[UUID, Told | Unreadable] = {}
        for one in deliveries:
            event, recipient = events.get(one.event_id), people.get(one.user_id)
            notification = _told(event, one.topic, names) if isinstance(event, Event) else event
            if isinstance(notification, Unreadable):
                told[one.id] = notification
            elif notification and recipient:
                seen = (one.user_id, one.notification_id) in read
                told[one.id] = Told(notification, recipient, seen)
        return told

    async def _names(self, tx: Connection, events: Collection[Event]) -> dict[str, str]:
        """Names of all whom the events name: one of them is who did it."""
        named = {user for event in events for user in event.users()}
        known = await self._users.get_many(tx, list(named))
        return {user: found.name or found.handle or user for user, found in known.items()}


async def _events(tx: Connection, ids: Collection[UUID]) -> dict[UUID, Event | Unreadable]:
    known = await store.known(tx, list(ids))
    return {key: _decoded(key, row) for key, row in known.items() if row["id"] is not None}


def _decoded(key: UUID, row: Row) -> Event | Unreadable:
    try:
        return REGISTRY.decode(store.wire(row))
    except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
        return _unreadable(key, error)


def _told(event: Event, topic: str, names: Mapping[str, str]) -> Notification | Unreadable | None:
    try:
        return _said(event, topic, names)
    except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
        return _unreadable(event.id, error)


def _unreadable(event: UUID, error: Exception) -> Unreadable:
    kind = type(error).__name__
    log.error("an event cannot be told, its deliveries fail", event_id=str(event), error=kind)
    return Unreadable(f"its event cannot be read: {kind}")


async def _read(tx: Connection, deliveries: Sequence[Delivery]) -> set[tuple[str, UUID]]:
    asked = [one.user_id for one in deliveries], [one.notification_id for one in deliveries]
    return {(row["user_id"], row["id"]) for row in await tx.fetch(READ, *asked)}


def _said(event: Event, topic: str, names: Mapping[str, str]) -> Notification | None:
    rows = CATALOG.get(type(event), ())
    return next((said(event, row, names) for row in rows if row.topic == topic), None)
