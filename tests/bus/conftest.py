"""Fixtures of the bus: a database with its partitions agreed on, a bus, and events to publish."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bus.appender import Appender
from bus.base import Bus
from bus.outbox import Outbox
from bus.partitions import agree
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from schemas.db import Pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from tests.waiting import until

PARTITIONS = 4

Publish = Callable[..., Awaitable[list[Event]]]


@pytest.fixture
async def agreed(pool: Pool) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await agree(tx, PARTITIONS)


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[Bus]:
    made = RedisBus(redis_url, prefix="test")
    yield made
    await made.close()


@pytest.fixture
def relay(database: str, agreed: None, bus: Bus) -> Relay:
    appender = Appender(bus, partitions=PARTITIONS, groups=["g"], window_s=120)
    return Relay(database, appender, RelayConfig(partitions=PARTITIONS, heal_s=0.05, standby_s=0.05))


@pytest.fixture
async def relaying(relay: Relay) -> AsyncIterator[Relay]:
    task = spawn(relay.run(), name="relay")
    yield relay
    await cancel(task)


@pytest.fixture
def publish(pool: Pool) -> Publish:
    outbox = Outbox(pool)

    async def do(count: int = 1, subjects: int = 3) -> list[Event]:
        events: list[Event] = [
            ContentLiked(content_id=f"c{n % subjects}", author="ann", actor="bob") for n in range(count)
        ]
        async with pool.acquire() as tx, tx.transaction():
            await outbox.add(tx, *events)
        outbox.wake()
        return events

    return do


async def relayed(pool: Pool, count: int) -> None:
    """Wait until the log holds that many entries."""

    async def enough() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM relay_log", count))

    await until(enough)
