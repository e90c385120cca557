"""Groups: every event once and in order per subject, whoever works, leaves, hangs or begins again."""

import subprocess
import sys
from collections.abc import Sequence

import orjson
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bus.base import Bus, BusError, Entry, PushEntry, events_stream
from bus.consumer import PartitionWork
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.positions import LostLeaseError, Positions, lock_group, rewind
from bus.push_log import PushTail
from bus.relay import SESSION, Relay
from bus.tasks import cancel, spawn
from bus.worker import GroupWorker
from schemas.db import PAUSED_S, Pool
from schemas.events.content import ContentLiked
from tests.bus.conftest import PARTITIONS, Publish, StartWorker, relayed
from tests.bus.groups import all_applied, consumer
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("applied")


async def test_every_event_is_applied_once_and_in_order_per_subject(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    start()
    events = await publish(40, subjects=6) + await publish(40, subjects=6)
    await all_applied(pool, events)


async def test_two_workers_share_the_partitions_and_double_nothing(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    start("w1")
    start("w2")

    async def shared() -> bool:
        owners = await pool.fetch("SELECT owner, count(*) AS n FROM consumer_positions GROUP BY owner")
        return sorted(row["n"] for row in owners) == [2, 2]

    await until(shared)
    await all_applied(pool, await publish(60, subjects=12))


async def test_a_worker_that_leaves_hands_its_partitions_over(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    first = start("w1")
    before = await publish(20)
    await all_applied(pool, before)
    await cancel(first)
    start("w2")
    after = await publish(20)
    await all_applied(pool, before + after)


async def test_a_worker_that_lost_its_lease_commits_nothing(
    pool: Pool, relaying: Relay, publish: Publish
) -> None:
    await publish(6, subjects=1)
    await relayed(pool, 6)
    late, quick = Positions("g", "late", 30), Positions("g", "quick", 30)
    await late.prepare(pool, PARTITIONS)
    leases = await late.claim(pool, PARTITIONS)
    await pool.execute("UPDATE consumer_positions SET lease_until = now() - interval '1 second'")
    taken = await quick.claim(pool, PARTITIONS)
    for old, new in zip(leases, taken, strict=True):
        entries = await RelayLog(pool).events(old.partition, 0, 100)
        if entries:
            with pytest.raises(LostLeaseError):
                await PartitionWork(consumer(), old, pool).handle(entries, 0)
            await PartitionWork(consumer(), new, pool).handle(entries, 0)
    assert await pool.fetchval("SELECT count(*) FROM applied") == 6


async def test_the_same_entries_cannot_be_handled_twice(
    pool: Pool, relaying: Relay, publish: Publish
) -> None:
    await publish(3, subjects=1)
    await relayed(pool, 3)
    positions = Positions("g", "w", 30)
    await positions.prepare(pool, PARTITIONS)
    for lease in await positions.claim(pool, PARTITIONS):
        if entries := await RelayLog(pool).events(lease.partition, 0, 100):
            work = PartitionWork(consumer(), lease, pool)
            await work.handle(entries, 0)
            with pytest.raises(LostLeaseError):
                await work.handle(entries, 0)
    assert await pool.fetchval("SELECT count(*) FROM applied") == 3


async def test_a_gap_in_the_stream_is_filled_from_the_log(
    pool: Pool, redis_url: str, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    events = await publish(30)
    await relayed(pool, 30)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    start()
    await all_applied(pool, events + await publish(10))


class Unwritable(MemoryBus):
    """A server that answers, and refuses every append: it is full, or a replica now."""

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        raise BusError("OOM command not allowed when used memory > 'maxmemory'")


async def test_groups_and_gateways_go_on_when_nobody_can_write_the_streams(
    pool: Pool, relaying: Relay, publish: Publish
) -> None:
    bus, heard = Unwritable(), list[PushEntry]()
    tail = PushTail(bus, pool)
    worker = GroupWorker(consumer(), worker="w", pool=pool, bus=bus, partitions=PARTITIONS)
    running = [spawn(worker.run(), name="w"), spawn(tail.run(heard.extend), name="tail")]

    async def began() -> bool:
        return tail.caught_up.is_set()

    await until(began)
    first = await publish(20)
    await all_applied(pool, first)
    await all_applied(pool, first + await publish(20))  # now that both wait at their streams

    async def all_heard() -> bool:
        return len(heard) == 40

    await until(all_heard)
    await cancel(*running)
    assert [entry.seq for entry in heard] == list(range(1, 41))


async def test_what_only_a_stream_holds_is_not_handled(
    pool: Pool, bus: Bus, relay: Relay, publish: Publish, start: StartWorker
) -> None:
    # as after a database was put back from a backup: the streams go on where the log ended once
    gone = ContentLiked(content_id="c0", author="ann", actor="bob")
    for partition in range(PARTITIONS):
        entry = Entry(1, 0, [b"event", orjson.dumps(gone.to_wire())])
        await bus.append(events_stream(partition), 0, [entry])
    with capture_logs() as logs:
        start()

        async def refused() -> bool:
            return (
                len([line for line in logs if "holds what the log does not" in line.get("reason", "")]) >= 3
            )

        await until(refused)
    assert await pool.fetchval("SELECT max(seq) FROM consumer_positions") == 0
    events = await publish(20)
    relaying = spawn(relay.run(), name="relay")
    await all_applied(pool, events)
    await cancel(relaying)


STOPPED_WHILE_READING = """
import asyncio, asyncpg, os, signal, sys
async def main():
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute(sys.argv[2])
    await connection.execute("SELECT pg_advisory_lock(7)")
    await connection.execute("BEGIN")
    asyncio.get_running_loop().call_later(0.02, os.kill, os.getpid(), signal.SIGSTOP)
    await connection.fetch("SELECT repeat('x', 1000000) FROM generate_series(1, 300)")
asyncio.run(main())
"""


async def test_the_server_ends_a_session_whose_process_was_stopped(pool: Pool, database: str) -> None:
    assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == f"{PAUSED_S}s"
    assert await pool.fetchval("SHOW tcp_user_timeout") == f"{PAUSED_S * 1000}"
    quick = SESSION.replace(f"{PAUSED_S}s", "1s")
    stopped = subprocess.Popen(  # noqa: ASYNC220  it is stopped soon
        [sys.executable, "-c", STOPPED_WHILE_READING, database, quick]
    )

    async def held() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND database ="
        return bool(
            await pool.fetchval(f"{query} (SELECT oid FROM pg_database WHERE datname = current_database())")
        )

    async def freed() -> bool:
        return not await held()

    try:
        await until(held)
        await until(freed)
        assert stopped.poll() is None
    finally:
        stopped.kill()
        stopped.wait()


async def test_a_rewound_group_handles_everything_again(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    start()
    events = await publish(20)
    await all_applied(pool, events)
    for partition in range(PARTITIONS):
        await bus.trim(events_stream(partition), 20)  # as the relay does once every group is done
    async with pool.acquire() as tx, tx.transaction():
        await lock_group(tx, "g")
        await tx.execute("DELETE FROM applied")
        await rewind(tx, "g", None)
    await all_applied(pool, events)
