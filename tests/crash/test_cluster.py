"""Take a primary of a Valkey Cluster away in the middle of 3,000 publishes: nothing is lost or doubled."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import pytest

from bus import telemetry
from bus.appender import Appender
from bus.base import PUSH, BusError, PushEntry, events_stream
from bus.consumer import Consumer
from bus.log import RelayLog
from bus.outbox import Outbox
from bus.partitions import agree
from bus.push_log import PushTail
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from bus.worker import GroupWorker
from schemas.db import Connection, Pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from tests.valkeycluster import Member, ValkeyCluster, valkey_cluster
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PARTITIONS = 4
COUNT = 3000
BATCH = 25
SUBJECTS = 20


@dataclass
class Hub:
    """A relay, a gateway's tail and a group of workers in this process, on a cluster."""

    pool: Pool
    bus: RedisBus
    delivered: list[int] = field(default_factory=list)
    sent: dict[str, list[UUID]] = field(default_factory=dict)

    def deliver(self, entries: Sequence[PushEntry]) -> None:
        self.delivered.extend(entry.seq for entry in entries)

    async def handle(self, tx: Connection, events: Sequence[Event]) -> None:
        rows = [(event.id, event.subject) for event in events]
        await tx.executemany("INSERT INTO handled (id, subject) VALUES ($1, $2)", rows)

    async def publish(self) -> None:
        """Publish everything, subject by subject in order."""
        outbox = Outbox(self.pool)
        for first in range(0, COUNT, BATCH):
            numbers = range(first, first + BATCH)
            events = [ContentLiked(content_id=f"c{n % SUBJECTS}", author="ann", actor="bob") for n in numbers]
            async with self.pool.acquire() as tx, tx.transaction():
                await outbox.add(tx, *events)
            outbox.wake()
            for event in events:
                self.sent.setdefault(event.subject, []).append(event.id)

    async def wait_delivered(self, count: int) -> None:
        async def enough() -> bool:
            return len(self.delivered) >= count

        await until(enough, within_s=60)

    async def whole(self) -> bool:
        """The push stream has all of the log; of the others what was handled need not come back."""
        try:
            return await self.bus.last([PUSH]) == [await RelayLog(self.pool).head(PUSH)]
        except BusError:
            return False

    async def lateness(self, streams: Sequence[str]) -> float:
        """How long it takes until some streams hold what the log has now, in seconds."""
        heads = [await RelayLog(self.pool).head(stream) for stream in streams]
        began = time.monotonic()

        async def there() -> bool:
            lasts = await self.bus.last(streams)
            return all(last >= head for last, head in zip(lasts, heads, strict=True))

        await until(there)
        return time.monotonic() - began

    async def settled(self) -> bool:
        return bool(await self.pool.fetchval("SELECT count(*) >= $1 FROM handled", COUNT))

    async def assert_nothing_lost_nothing_doubled(self) -> None:
        await self.wait_delivered(COUNT)
        await until(self.settled, within_s=60)
        await until(self.whole, within_s=60)
        every = list(range(1, COUNT + 1))
        assert [r["seq"] for r in await self.pool.fetch("SELECT seq FROM relay_log ORDER BY seq")] == every
        assert self.delivered == every
        handled: dict[str, list[UUID]] = {}
        for row in await self.pool.fetch("SELECT id, subject FROM handled ORDER BY n"):
            handled.setdefault(row["subject"], []).append(row["id"])
        assert handled == self.sent


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path, replicas=True) as cluster:
        yield cluster


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[ValkeyCluster]:
    with valkey_cluster(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> ValkeyCluster:
    found: ValkeyCluster = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def hub(cluster: ValkeyCluster, database: str, pool: Pool) -> AsyncIterator[Hub]:
    async with pool.acquire() as tx, tx.transaction():
        await agree(tx, PARTITIONS)
    columns = "n bigint GENERATED ALWAYS AS IDENTITY, id uuid, subject text"
    await pool.execute(f"CREATE TABLE handled ({columns})")
    hub = Hub(pool, RedisBus(cluster.urls, prefix="test"))
    appender = Appender(hub.bus, pool, partitions=PARTITIONS, groups=["g"], window_s=120)
    relay = Relay(database, appender, RelayConfig(partitions=PARTITIONS))
    group = Consumer(group="g", handlers={ContentLiked: hub.handle})
    worker = GroupWorker(group, worker="w", pool=pool, bus=hub.bus, partitions=PARTITIONS)
    tail = PushTail(hub.bus, pool)
    running = [
        spawn(relay.run(), name="relay"),
        spawn(worker.run(), name="worker"),
        spawn(tail.run(hub.deliver), name="tail"),
    ]
    await asyncio.wait_for(tail.caught_up.wait(), 30)
    yield hub
    await cancel(*running)
    await hub.bus.close()


async def took_over(cluster: ValkeyCluster, before: Member) -> Member:
    """Wait until another member serves the push stream."""

    async def another() -> bool:
        return cluster.owner("test:push") is not before

    await until(another, within_s=60)
    return cluster.owner("test:push")


@pytest.mark.parametrize("cluster", ["replicated"], indirect=True)
async def test_a_primary_is_killed_and_its_replica_lacks_the_last_entries(
    cluster: ValkeyCluster, hub: Hub
) -> None:
    primary, mended = cluster.owner("test:push"), telemetry.MENDED._value.get()
    replica = cluster.replica_of(primary)
    publishing = asyncio.ensure_future(hub.publish())
    await hub.wait_delivered(COUNT // 6)
    replica.signal(signal.SIGSTOP)
    primary.ask("CLIENT KILL", "TYPE", "REPLICA")  # what comes now reaches no replica
    await hub.wait_delivered(COUNT // 3)
    primary.kill()
    replica.signal(signal.SIGCONT)
    assert await took_over(cluster, primary) is replica
    await publishing
    await hub.assert_nothing_lost_nothing_doubled()
    assert telemetry.MENDED._value.get() > mended


@pytest.mark.parametrize("cluster", ["replicated"], indirect=True)
async def test_a_primary_hangs_and_comes_back_as_a_replica(cluster: ValkeyCluster, hub: Hub) -> None:
    primary = cluster.owner("test:push")
    publishing = asyncio.ensure_future(hub.publish())
    await hub.wait_delivered(COUNT // 3)
    primary.signal(signal.SIGSTOP)
    try:
        await asyncio.to_thread(cluster.wait_failed, primary)
        await publishing
        await until(hub.whole, within_s=60)  # while it still hangs: nobody asks it any more
    finally:
        primary.signal(signal.SIGCONT)
    await hub.assert_nothing_lost_nothing_doubled()


@pytest.mark.parametrize("cluster", ["bare"], indirect=True)
async def test_a_primary_without_replica_is_away_for_a_while(cluster: ValkeyCluster, hub: Hub) -> None:
    primary = cluster.owner("test:push")
    publishing = asyncio.ensure_future(hub.publish())
    await hub.wait_delivered(COUNT // 3)
    primary.kill()
    await publishing
    await hub.wait_delivered(COUNT)  # from the log
    assert not await hub.whole()
    primary.start()
    await hub.assert_nothing_lost_nothing_doubled()
    assert [entry.seq for entry in await hub.bus.read(PUSH, COUNT - 2, count=9, block_ms=1)] == [
        COUNT - 1,
        COUNT,
    ]


@pytest.mark.parametrize("cluster", ["bare"], indirect=True)
async def test_a_primary_that_hangs_delays_only_its_own_streams(cluster: ValkeyCluster, hub: Hub) -> None:
    for member in cluster.members:
        member.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
    streams = (PUSH, *map(events_stream, range(PARTITIONS)))
    lost = cluster.owner("test:push")
    others = [stream for stream in streams if cluster.owner(f"test:{stream}") is not lost]
    assert others
    publishing = asyncio.ensure_future(hub.publish())
    await hub.wait_delivered(COUNT // 3)
    lost.signal(signal.SIGSTOP)
    try:
        lateness = []
        while not publishing.done():
            lateness.append(await hub.lateness(others))
        assert median(lateness) < 0.5, lateness
    finally:
        lost.signal(signal.SIGCONT)
    await hub.assert_nothing_lost_nothing_doubled()
