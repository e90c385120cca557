"""Owns what is done by hand with work that was set aside."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from bus import parked
from ops.pool import database
from ops.settings import Settings
from schemas.clock import SystemClock
from schemas.store.dead_updates import DeadUpdate, DeadUpdates, ShownUpdate
from schemas.store.deliveries import Deliveries, Delivery, Filter
from schemas.store.walks import DeadWalk, Walks

DELIVERIES: Final = "deliveries"
"""Stands beside the groups: what failed on its way to people."""
WALKS: Final = "walks"
"""Likewise: audiences that were not told to the end."""
UPDATES: Final = "updates"
"""Likewise: what people told the bot of Telegram, and it could not handle."""
AT_A_TIME: Final = 1000


async def find(
    settings: Settings, group: str | None, states: list[str], limit: int
) -> list[parked.ParkedEvent]:
    async with database(settings) as pool:
        return await parked.find(pool, group, states, limit)


async def show(settings: Settings, group: str | None, seq: int) -> list[parked.ParkedEvent]:
    async with database(settings) as pool:
        return await parked.show(pool, group, seq)


async def redrive(settings: Settings, group: str, seqs: Collection[int] | None) -> int:
    async with database(settings) as pool, pool.acquire() as tx:
        return await parked.redrive(tx, group, None if seqs is None else list(seqs))


async def failed_deliveries(settings: Settings, limit: int) -> list[Delivery]:
    """Answer what failed, and of what nobody knows whether it arrived; the newest first."""
    async with database(settings) as pool:
        found = [
            one
            for status in ("failed", "unknown")
            for one in await Deliveries().page(pool, Filter(status=status), limit=limit)
        ]
    return sorted(found, key=lambda one: one.created_at, reverse=True)[:limit]


async def show_delivery(settings: Settings, delivery: UUID) -> dict[str, Any] | None:
    """Answer everything about a delivery, whatever became of it."""
    store = Deliveries()
    async with database(settings) as pool:
        found = await store.get(pool, delivery)
        if found is None:
            return None
        attempts = (await store.attempts(pool, [delivery])).get(delivery, [])
    return {**asdict(found), "record": [asdict(one) for one in attempts]}


async def redrive_deliveries(settings: Settings, ids: Collection[UUID] | None) -> int:
    """Give these deliveries new attempts, or all that failed: what is unknown may have arrived."""
    store, now = Deliveries(), SystemClock().now()
    async with database(settings) as pool:
        if ids is not None:
            return len(await store.redrive(pool, list(ids), now))
        count = 0
        while found := await store.redrive_failed(pool, now, AT_A_TIME):  # what fails again meanwhile waits
            count += found
        return count


async def dead_walks(settings: Settings, limit: int, event_id: UUID | None = None) -> list[DeadWalk]:
    """Answer walks that were given up (upon one event)."""
    async with database(settings) as pool:
        return await Walks().dead(pool, limit, event_id)


async def redrive_walks(settings: Settings, events: Collection[UUID] | None) -> list[UUID]:
    """Let the walks upon these events go on where they stand, or all that died; answers the events."""
    async with database(settings) as pool:
        return await Walks().redrive(pool, None if events is None else list(events))


async def dead_updates(settings: Settings, limit: int) -> list[DeadUpdate]:
    """Answer updates of Telegram that were given up; the latest first."""
    async with database(settings) as pool:
        return await DeadUpdates().find(pool, limit)


async def show_update(settings: Settings, number: int) -> ShownUpdate | None:
    """Answer everything about an update, whatever became of it."""
    async with database(settings) as pool:
        return await DeadUpdates().show(pool, number)


async def redrive_updates(settings: Settings, numbers: Collection[int] | None) -> int:
    """Have these updates handled after all, or all that were given up."""
    async with database(settings) as pool:
        return await DeadUpdates().redrive(
            pool, None if numbers is None else list(numbers), SystemClock().now()
        )
