"""Owns what a delivery says and to whom, told anew from its event just before it is sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import structlog

from routing.catalog import CATALOG, said
from routing.model import Code, Content, Digest, Notification, Recipient
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
# A badge says "999" at most: nobody's is worth counting a hundred thousand rows for each message.
UNREAD = """
SELECT u AS user_id, n.count FROM unnest($1::text[]) AS u CROSS JOIN LATERAL (
    SELECT count(*) FROM (SELECT FROM notifications
                          WHERE user_id = u AND state = 'unread' AND badge LIMIT 999) counted) n
"""


@dataclass(frozen=True, slots=True)
class Told:
    """All that deciding again takes; `read`: the person has seen it in the inbox."""

    content: Content
    recipient: Recipient
    read: bool = False
    unread: int = 0
    """How many notifications the person has not read; counted where a channel shows it."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A delivery whose event cannot be told; `why` names no content."""

    why: str


class Tellings(Protocol):
    """Tells deliveries anew; one whose content is forgotten is missing in the answer."""

    async def load(
        self, tx: Connection, deliveries: Sequence[Delivery]
    ) -> Mapping[UUID, Told | Unreadable]: ...


class Recipients(Protocol):
    """Answers what must be known of people to decide."""

    async def load(
        self, tx: Connection, users: Sequence[str], *, channels: Collection[str] | None = None
    ) -> Mapping[str, Recipient]: ...


class Digests(Protocol):
    """Answers what digests hold that is unread by now; one of which nothing is has no items."""

    async def load(self, tx: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Digest]: ...


class Codes(Protocol):
    """Answers the codes of verifications whose endpoint still waits for its proof."""

    async def load(self, tx: Connection, ids: Sequence[UUID]) -> Mapping[UUID, Code]: ...


class Retelling:
    """Tells from the log of events, the catalogue, and what people want at this moment."""

    def __init__(
        self, people: Recipients, *, digests: Digests | None = None, codes: Codes | None = None
    ) -> None:
        self._people = people
        self._digests = digests
        self._codes = codes
        self._users = Users()

    async def load(self, tx: Connection, deliveries: Sequence[Delivery]) -> dict[UUID, Told | Unreadable]:
        users, channels = {one.user_id for one in deliveries}, {one.channel for one in deliveries}
        people = await self._people.load(tx, list(users), channels=channels)
        contents = await self._contents(tx, deliveries, people)
        read = await _read(tx, deliveries)
        unread = await _unread(tx, {one.user_id for one in deliveries if one.channel == "push"})
        told: dict[UUID, Told | Unreadable] = {}
        for one in deliveries:
            content, recipient = contents.get(one.id), people.get(one.user_id)
            if isinstance(content, Unreadable):
                told[one.id] = content
            elif content and recipient:
                seen = (one.user_id, one.notification_id) in read
                told[one.id] = Told(content, recipient, seen, unread.get(one.user_id, 0))
        return told

    async def _contents(
        self, tx: Connection, deliveries: Sequence[Delivery], people: Mapping[str, Recipient]
    ) -> dict[UUID, Content | Unreadable]:
        found: dict[UUID, Content | Unreadable] = {}
        found |= await self._told(tx, [one for one in deliveries if one.event_id], people)
        gathered = {one.id: one.digest_id for one in deliveries if one.digest_id}
        if gathered and self._digests:
            digests = await self._digests.load(tx, list(gathered.values()))
            found |= {one: digests[name] for one, name in gathered.items() if name in digests}
        proofs = {one.id: one.verification_id for one in deliveries if one.verification_id}
        if proofs and self._codes:
            codes = await self._codes.load(tx, list(proofs.values()))
            found |= {one: codes[name] for one, name in proofs.items() if name in codes}
        return found

    async def _told(
        self, tx: Connection, deliveries: Sequence[Delivery], people: Mapping[str, Recipient]
    ) -> dict[UUID, Content | Unreadable]:
        """Tell of each event once in each locale and zone, under each topic."""
        if not deliveries:
            return {}
        events = await _events(tx, {one.event_id for one in deliveries if one.event_id})
        names = await self._names(tx, [one for one in events.values() if isinstance(one, Event)])
        known: dict[Any, Notification | Unreadable | None] = {}
        found: dict[UUID, Content | Unreadable] = {}
        for one in deliveries:
            event, to = events.get(one.event_id) if one.event_id else None, people.get(one.user_id)
            if isinstance(event, Unreadable):
                found[one.id] = event
            elif event and to:
                key = event.id, one.topic, to.locale, to.tz
                if key not in known:
                    known[key] = _told(event, one.topic, names, to)
                if content := known[key]:
                    found[one.id] = content
        return found

    async def _names(self, tx: Connection, events: Collection[Event]) -> dict[str, str]:
        """Names of all whom the events name: one of them is who did it."""
        named = {user for event in events for user in event.users()}
        return await self._users.names(tx, named)


async def _events(tx: Connection, ids: Collection[UUID]) -> dict[UUID, Event | Unreadable]:
    known = await store.known(tx, list(ids))
    return {key: _decoded(key, row) for key, row in known.items() if row["id"] is not None}


def _decoded(key: UUID, row: Row) -> Event | Unreadable:
    try:
        return REGISTRY.decode(store.wire(row))
    except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
        return _unreadable(key, error)


def _told(
    event: Event, topic: str, names: Mapping[str, str], to: Recipient
) -> Notification | Unreadable | None:
    try:
        return _said(event, topic, names, to)
    except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
        return _unreadable(event.id, error)


def _unreadable(event: UUID, error: Exception) -> Unreadable:
    kind = type(error).__name__
    log.error("an event cannot be told, its deliveries fail", event_id=str(event), error=kind)
    return Unreadable(f"its event cannot be read: {kind}")


async def _read(tx: Connection, deliveries: Sequence[Delivery]) -> set[tuple[str, UUID | None]]:
    asked = [(one.user_id, one.notification_id) for one in deliveries if one.notification_id]
    if not asked:
        return set()
    rows = await tx.fetch(READ, [user for user, _ in asked], [name for _, name in asked])
    return {(row["user_id"], row["id"]) for row in rows}


async def _unread(tx: Connection, users: Collection[str]) -> dict[str, int]:
    if not users:
        return {}
    return {row["user_id"]: row["count"] for row in await tx.fetch(UNREAD, list(users))}


def _said(event: Event, topic: str, names: Mapping[str, str], to: Recipient) -> Notification | None:
    rows = CATALOG.get(type(event), ())
    return next((said(event, row, names, to.locale, to.tz) for row in rows if row.topic == topic), None)
