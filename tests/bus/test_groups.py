"""Groups: exactly once, in order per subject, whatever fails."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta

import orjson
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bus import parked
from bus.base import Bus, BusError, Entry, PushEntry, events_stream
from bus.consumer import Consumer, Handler, PartitionWork
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.positions import LostLeaseError, Positions, lock_group, rewind
from bus.push_log import PushTail
from bus.relay import SESSION, Relay
from bus.retry import Retry
from bus.tasks import cancel, spawn
from bus.worker import GroupWorker
from schemas.db import PAUSED_S, Connection, Pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from tests.bus.conftest import PARTITIONS, Publish, relayed
from tests.waiting import until

QUICK = Retry(attempts=3, first=timedelta(milliseconds=10), factor=1)


@pytest.fixture(autouse=True)
async def applied(pool: Pool) -> None:
    """What the group did: a row each time it handled an event, so that a second time would show."""
    await pool.execute("CREATE TABLE applied (n bigint GENERATED ALWAYS AS IDENTITY, id uuid, subject text)")


async def apply(tx: Connection, events: Sequence[Event]) -> None:
    await tx.executemany(
        "INSERT INTO applied (id, subject) VALUES ($1, $2)", [(event.id, event.subject) for event in events]
    )


def consumer(handler: Handler = apply, retry: Retry = QUICK) -> Consumer:
    return Consumer(group="g", handlers={ContentLiked: handler}, retry=retry)


StartWorker = Callable[..., "asyncio.Task[None]"]


@pytest.fixture
async def start(pool: Pool, bus: Bus, agreed: None) -> AsyncIterator[StartWorker]:
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


async def all_applied(pool: Pool, events: Sequence[Event]) -> None:
    async def done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM applied", len(events)))

    await until(done)
    await assert_once_and_in_order(pool, events)


async def assert_once_and_in_order(pool: Pool, events: Sequence[Event]) -> None:
    rows = await pool.fetch("SELECT id, subject FROM applied ORDER BY n")
    assert len(rows) == len(events)
    for subject in {event.subject for event in events}:
        assert [r["id"] for r in rows if r["subject"] == subject] == [
            e.id for e in events if e.subject == subject
        ]


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
        entry = Entry(1, 0, ((b"event", orjson.dumps(gone.to_wire())),))
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


async def test_a_failing_event_is_parked_and_only_its_subject_waits(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    healed = asyncio.Event()

    async def picky(tx: Connection, events: Sequence[Event]) -> None:
        if not healed.is_set() and any(event.subject == "content:c1" for event in events):
            raise RuntimeError("c1 is broken")
        await apply(tx, events)

    start(using=consumer(picky, Retry(attempts=1000, first=timedelta(milliseconds=10), factor=1)))
    events = await publish(12, subjects=3)

    async def others_are_done() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT (SELECT count(*) FROM applied) = 8 AND (SELECT count(*) FROM parked) = 4"
            )
        )

    await until(others_are_done)
    waiting = await parked.find(pool, "g", ["parked"], 10)
    assert {event.subject for event in waiting} == {"content:c1"}
    assert [event.attempts > 0 for event in waiting] == [True, False, False, False]
    assert "c1 is broken" in (waiting[0].error or "")
    healed.set()
    await all_applied(pool, events)
    assert await parked.find(pool, "g", ["parked", "dead"], 10) == []


async def test_spent_attempts_make_an_event_dead_and_its_subject_goes_on(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    events = await publish(4, subjects=1)
    broken = events[1].id

    async def picky(tx: Connection, batch: Sequence[Event]) -> None:
        if any(event.id == broken for event in batch):
            raise RuntimeError("never")
        await apply(tx, batch)

    start(using=consumer(picky))

    async def rest_is_done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = 3 FROM applied"))

    await until(rest_is_done)
    [dead] = await parked.find(pool, "g", ["dead"], 10)
    assert (dead.event_id, dead.attempts) == (str(broken), 3)


async def test_a_redriven_event_is_handled_late(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    healed = asyncio.Event()

    async def picky(tx: Connection, batch: Sequence[Event]) -> None:
        if not healed.is_set():
            raise RuntimeError("not yet")
        await apply(tx, batch)

    start(using=consumer(picky))
    events = await publish(1)

    async def dead() -> bool:
        return bool(await parked.find(pool, "g", ["dead"], 1))

    await until(dead)
    healed.set()
    async with pool.acquire() as tx:
        assert await parked.redrive(tx, "g", None) == 1
    await all_applied(pool, events)


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("a file"),
        TimeoutError(),
        RuntimeError("nul \0 and \ud800 surrogate"),
        "wrong arguments",
    ],
    ids=["os", "time-out", "words that no column holds", "driver"],
)
async def test_whatever_an_event_does_only_its_subject_waits(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker, failure: Exception | str
) -> None:
    async def poisoned(tx: Connection, events: Sequence[Event]) -> None:
        if any(event.subject == "content:c1" for event in events):
            if isinstance(failure, Exception):
                raise failure
            await tx.execute("SELECT $1::int", 1, 2)
        await apply(tx, events)

    start(using=consumer(poisoned))
    await publish(40, subjects=20)

    async def dead_and_done() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT (SELECT count(*) FROM applied) = 38"
                " AND (SELECT count(*) FROM parked WHERE state = 'dead') = 2"
            )
        )

    await until(dead_and_done)


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


async def test_an_event_of_an_unknown_type_is_set_aside_and_not_skipped(
    pool: Pool, relay: Relay, publish: Publish, start: StartWorker
) -> None:
    await publish(1)
    await pool.execute("UPDATE events SET type = 'content.from_the_future'")
    relaying = spawn(relay.run(), name="relay")
    start()

    async def dead() -> bool:
        return bool(await parked.find(pool, "g", ["dead"], 1))

    await until(dead)
    assert await pool.fetchval("SELECT count(*) FROM applied") == 0
    await cancel(relaying)


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
