"""Owns when digests leave: what is due is closed, and becomes a delivery in the same transaction.

Any number of schedulers share the work by row locks; one that dies in the middle has done nothing. When a
digest is due, what the person wants by now counts: it leaves, leaves at another time, or is given up, and
then its delivery is dropped with the reason. What was in it stays in the inbox.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import structlog

from bus import telemetry
from bus.tasks import cancelled, forever
from routing import digest
from routing.members import ChannelKind
from routing.model import Recipient
from routing.retelling import Recipients
from schemas.clock import Clock
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.deliveries import Deliveries, NewDelivery, Priorities
from schemas.store.digests import Digests, DueDigest

log = structlog.get_logger(__name__)

AT_ONCE: Final = 200
POLL_S: Final = 2.0  # a digest may be opened that is due before all that were known
PAUSE_S: Final = 0.5
# What came too soon after a mail is as urgent as mail is; what is read once a day can wait for everything.
PRIORITY: Final = {"scheduled": Priorities["batch"], "spacing": Priorities["standard"]}


class Scheduler:
    """Runs beside the dispatcher, in any number of processes."""

    def __init__(self, pool: Pool, people: Recipients, clock: Clock, *, at_once: int = AT_ONCE) -> None:
        self._pool = pool
        self._people = people
        self._clock = clock
        self._at_once = at_once
        self._digests = Digests()
        self._deliveries = Deliveries()

    async def run(self) -> None:
        """Send digests on their way for ever; run it as a background task."""

        async def work() -> None:
            while not cancelled():
                closed = await self.step()
                if closed < self._at_once:
                    await asyncio.sleep(await self._rest_s())

        await forever(work, name="scheduler", pause_s=PAUSE_S)

    async def step(self) -> int:
        """Handle some of what is due; answers how many digests those were."""
        now = self._clock.now()
        async with self._pool.acquire() as tx, tx.transaction():
            closed = await self._digests.close(tx, now, self._at_once)
            if not closed:
                return 0
            people = await self._people.load(tx, list({one.user_id for one in closed}))
            moved = _moved(closed, people, now)
            if moved:
                await self._digests.open_again(tx, list(moved.items()))
            leaving = [_delivery(one, people.get(one.user_id), now) for one in closed if one.id not in moved]
            if leaving:
                await self._deliveries.insert(tx, leaving)
        for each in leaving:
            if each.status == "dropped":
                telemetry.UNSENT.labels(each.channel, each.status, each.reason).inc()
        log.debug("digests are due", closed=len(leaving), moved=len(moved))
        return len(closed)

    async def _rest_s(self) -> float:
        """How long nothing is due, as far as can be known."""
        due_at = await self._digests.next_due(self._pool)
        if due_at is None:
            return POLL_S
        # One that is due was held by somebody who appends to it.
        return min(POLL_S, max(PAUSE_S, (due_at - self._clock.now()).total_seconds()))


def _moved(
    closed: Sequence[DueDigest], people: Mapping[str, Recipient], now: datetime
) -> dict[UUID, datetime]:
    """Those that leave at another time."""
    found = {}
    for one in closed:
        to = people.get(one.user_id)
        if to is None or one.kind != "scheduled" or _lost(one, to):
            continue
        until = digest.moved(to, one.opened_at, one.due_at, now)
        if until is not None:
            found[one.id] = until
    return found


def _lost(one: DueDigest, to: Recipient | None) -> digest.Lost | None:
    return digest.lost(to, one.endpoint_id, cast("ChannelKind", one.channel), one.kind)


def _delivery(one: DueDigest, to: Recipient | None, now: datetime) -> NewDelivery:
    lost = _lost(one, to)
    return NewDelivery(
        id=uuid7(),
        user_id=one.user_id,
        digest_id=one.id,
        topic=digest.TOPIC,
        priority=PRIORITY[one.kind],
        channel=one.channel,
        endpoint_id=one.endpoint_id,
        address=one.address,
        status="dropped" if lost else "queued",
        reason=lost,
        due_at=now,
        created_at=now,
    )
