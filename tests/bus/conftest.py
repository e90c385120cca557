"""Fixtures of the bus: a database with its partitions agreed on, a bus, and events to publish."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from bus.appender import Appender
from bus.base import Bus
from bus.consumer import Consumer
from bus.outbox import Outbox
from bus.partitions import agree
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from bus.worker import GroupWorker
from schemas.db import Pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from tests.bus.groups import consumer
from tests.valkeycluster import ValkeyCluster, valkey_cluster
from tests.waiting import until

PARTITIONS = 4

Publish = Callable[..., Awaitable[list[Event]]]
StartWorker = Callable[..., "asyncio.Task[None]"]


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """Three primaries that nobody kills."""
    with valkey_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster_urls(shared_cluster: ValkeyCluster) -> str:
    """The addresses of an empty cluster."""
    shared_cluster.flush()
    return shared_cluster.urls


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
def relay(database: str, pool: Pool, agreed: None, bus: Bus) -> Relay:
    appender = Appender(bus, pool, partitions=PARTITIONS, groups=["g"], window_s=120, heal_s=0.05)
    return Relay(database, appender, RelayConfig(partitions=PARTITIONS, standby_s=0.05))


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


@pytest.fixture
async def applied(pool: Pool) -> None:
    """What the group did: a row each time it handled an event, so that a second time would show."""
    await pool.execute("CREATE TABLE applied (n bigint GENERATED ALWAYS AS IDENTITY, id uuid, subject text)")


@pytest.fixture
async def start(pool: Pool, bus: Bus, agreed: None, applied: None) -> AsyncIterator[StartWorker]:
    running: list[asyncio.Task[None]] = []

    def begin(name: str = "w1", using: Consumer | None = None) -> "asyncio.Task[None]":
        worker = GroupWorker(
            using or consumer(), worker=name, pool=pool, bus=bus, partitions=PARTITIONS, lease_s=0.6
        )
        task = spawn(worker.run(), name=name)
        running.append(task)
        return task

    yield begin
    await cancel(*running)


async def relayed(pool: Pool, count: int) -> None:
    """Wait until the log holds that many entries."""

    async def enough() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM relay_log", count))

    await until(enough)
