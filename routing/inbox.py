"""Owns what people do in their inboxes: list, count, read, archive; told to all their devices.

Who changes states has the person's inbox alone for that moment: the count that is told is the one at its
place in the stream, so that whoever applies what is told never drifts from what would be fetched.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from bus import telemetry
from bus.base import Target
from bus.outbox import Outbox
from routing import packets
from schemas.clock import Clock, SystemClock
from schemas.db import Connection, Pool
from schemas.store.deliveries import Deliveries
from schemas.store.notifications import Notifications, StoredNotification

State = Literal["unread", "inbox", "all", "archived"]
STATES: Final[Mapping[State, tuple[str, ...]]] = {
    "unread": ("unread",),
    "inbox": ("unread", "read"),  # what was archived is out of the way
    "all": ("unread", "read", "archived"),
    "archived": ("archived",),
}
TOLD_ONE_BY_ONE: Final = 100
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CursorError(ValueError):
    """The cursor is none that a page answered."""


@dataclass(frozen=True, slots=True)
class Page:
    """Notifications, the last changed first; `next` is the cursor of the page after, None at the end."""

    items: Sequence[StoredNotification]
    next: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a wish: those of the ids that are there, as they are now, and how many are unread."""

    found: Sequence[StoredNotification]
    unread: int


class Inbox:
    """The inboxes of everyone."""

    def __init__(self, pool: Pool, outbox: Outbox, clock: Clock | None = None) -> None:
        self._pool = pool
        self._outbox = outbox
        self._clock = clock or SystemClock()
        self._notifications = Notifications()
        self._deliveries = Deliveries()

    async def page(
        self, user: str, state: State = "unread", cursor: str | None = None, limit: int = 50
    ) -> Page:
        """List a person's notifications; raises CursorError."""
        before = None if cursor is None else _place(cursor)
        found = await self._notifications.page(
            self._pool, user, STATES[state], before=before, limit=limit + 1
        )
        items = found[:limit]
        return Page(items, _cursor(items[-1]) if len(found) > limit else None)

    async def counts(self, user: str) -> int:
        """Answer how many are unread."""
        return await self._notifications.unread(self._pool, user)

    async def read(self, user: str, ids: Sequence[UUID]) -> Changed:
        """Mark unread notifications as read; what still waits to be sent of them is withdrawn."""
        return await self._put(user, ids, "read", among=("unread",))

    async def unread(self, user: str, ids: Sequence[UUID]) -> Changed:
        """Mark notifications as unread again."""
        return await self._put(user, ids, "unread", among=("read", "archived"))

    async def archive(self, user: str, ids: Sequence[UUID]) -> Changed:
        """Put notifications out of the way."""
        return await self._put(user, ids, "archived", among=("unread", "read"))

    async def read_all(self, user: str) -> int:
        """Mark everything as read; answers how many were not."""
        now = self._clock.now()
        async with self._pool.acquire() as tx, tx.transaction():
            await self._notifications.seize(tx, user)
            read = await self._notifications.read_all(tx, user, now, TOLD_ONE_BY_ONE)
            if not read.count:
                return 0
            targets = [target for one in reversed(read.latest) for target in packets.updated(one, now)]
            unread = await self._notifications.unread(tx, user)
            await self._outbox.push(tx, *targets, packets.read_all(user), packets.counts(user, unread))
        self._outbox.wake()
        _count(read.withdrawn)
        return read.count

    async def _put(self, user: str, ids: Sequence[UUID], state: str, *, among: Sequence[str]) -> Changed:
        withdrawn: Sequence[str] = ()
        async with self._pool.acquire() as tx, tx.transaction():
            await self._notifications.seize(tx, user)
            changed = await self._notifications.set_state(tx, user, ids, state, among=among)
            unread = await self._notifications.unread(tx, user)
            if changed:
                if state != "unread":
                    withdrawn = await self._withdraw(tx, user, changed)
                await self._tell(tx, user, changed, unread)
            found = await self._notifications.get_many(tx, user, ids)
        if changed:
            self._outbox.wake()
        _count(withdrawn)
        return Changed(found, unread)

    async def _withdraw(self, tx: Connection, user: str, read: Sequence[StoredNotification]) -> Sequence[str]:
        now = self._clock.now()
        return await self._deliveries.drop_for_read(tx, user, [one.id for one in read], now)

    async def _tell(
        self, tx: Connection, user: str, changed: Sequence[StoredNotification], unread: int
    ) -> None:
        now = self._clock.now()
        targets: list[Target] = [target for one in changed for target in packets.updated(one, now)]
        await self._outbox.push(tx, *targets, packets.counts(user, unread))


def _count(withdrawn: Sequence[str]) -> None:
    for channel in withdrawn:
        telemetry.UNSENT.labels(channel, "dropped", "read_already").inc()


def _cursor(last: StoredNotification) -> str:
    return base64.urlsafe_b64encode(f"{last.updated_at.isoformat()} {last.id}".encode()).decode()


def _place(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, notification = base64.urlsafe_b64decode(cursor).decode().split(" ")
        moment, key = datetime.fromisoformat(at), UUID(notification)
    except (ValueError, binascii.Error):
        raise CursorError("is not a cursor that a page answered with") from None
    # Written as UTC by a page; with another zone it may lie before the first day that there is.
    if moment.utcoffset() != timedelta() or moment < EPOCH:
        raise CursorError("is not a cursor that a page answered with")
    return moment, key
