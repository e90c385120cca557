"""Push-only entries: packets for sockets with a number of their own and no place in any partition."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bus.base import PUSH, Bus, PushEntry, Target, events_stream
from bus.log import RelayLog
from bus.maintenance import Maintenance
from bus.outbox import Outbox
from bus.relay import Relay
from schemas.clock import SystemClock
from schemas.db import Pool
from tests.bus.conftest import PARTITIONS, Publish, relayed
from tests.waiting import until

MANY = Target.of("/notifications", tuple(f"user:u{n}" for n in range(1000)), '["n",{"text":"ü"}]'.encode())
ONE = Target.of("/notifications", ("user:ann",), b'["n",{}]')


async def push(pool: Pool, *targets: Target) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).push(tx, *targets)


async def pushed(bus: Bus, count: int) -> list[PushEntry]:
    async def there() -> bool:
        return len(await bus.read(PUSH, 0, count=10_000, block_ms=1)) == count

    await until(there)
    return [PushEntry.from_entry(one) for one in await bus.read(PUSH, 0, count=10_000, block_ms=1)]


def targets(entries: Sequence[PushEntry]) -> list[tuple[Target, ...]]:
    return [entry.targets for entry in entries]


async def test_they_keep_their_place_among_the_events(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    await publish(1)
    await push(pool, MANY, ONE)
    await publish(1)
    await relayed(pool, 4)
    entries = await pushed(bus, 4)
    assert targets(entries)[1:3] == [(MANY,), (ONE,)]
    assert [entry.prev for entry in entries] == [0, 1, 2, 3]
    assert [entry.accepted is None for entry in entries] == [False, True, True, False]
    rows = await pool.fetch("SELECT partition, prev FROM relay_log WHERE packet IS NOT NULL")
    assert [tuple(row) for row in rows] == [(None, None)] * 2

    async def appended() -> bool:  # each stream has a writer of its own
        return sorted(await bus.last([events_stream(p) for p in range(PARTITIONS)])) == [0, 0, 0, 4]

    await until(appended)


async def test_healed_from_the_log_they_are_the_same_bytes(
    pool: Pool, bus: Bus, redis_url: str, relaying: Relay, publish: Publish
) -> None:
    await push(pool, ONE, MANY)
    before = await pushed(bus, 2)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    assert await pushed(bus, 2) == before
    assert [PushEntry.from_entry(one) for one in await RelayLog(pool).push(0, 10)] == before


async def test_what_was_not_committed_is_not_pushed(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    async with pool.acquire() as tx:
        undone = tx.transaction()
        await undone.start()
        await Outbox(pool).push(tx, ONE)
        await undone.rollback()
    await push(pool, MANY)
    assert targets(await pushed(bus, 1)) == [(MANY,)]


async def test_nothing_to_push_is_no_statement(pool: Pool) -> None:
    await push(pool)
    assert not await pool.fetchval("SELECT count(*) FROM outbox")


WORDS = {"control": "'{suspend,bob}'", "target, packet": "'{/n,user:bob}', '[]'"}


async def log_entry(pool: Pool, seq: int, age: timedelta, words: str) -> None:
    await pool.execute(
        f"INSERT INTO relay_log (seq, push_prev, relayed_at, {words})"
        f" VALUES ($1::bigint, $1::bigint - 1, now() - $2::interval, {WORDS[words]})",
        seq,
        age,
    )


@pytest.mark.parametrize("words", WORDS)
async def test_words_and_packets_are_forgotten_after_a_day_and_their_place_stays(
    pool: Pool, words: str
) -> None:
    for seq, hours in ((1, 25), (2, 23)):
        await log_entry(pool, seq, timedelta(hours=hours), words)
    await Maintenance(pool, SystemClock(), None).sweep()
    entries = [PushEntry.from_entry(one) for one in await RelayLog(pool).push(0, 10)]
    assert [(entry.seq, entry.prev) for entry in entries] == [(1, 0), (2, 1)]
    assert [bool(entry.controls or entry.targets) for entry in entries] == [False, True]


async def test_they_are_kept_as_long_as_somebody_may_come_back_for_them(pool: Pool) -> None:
    await log_entry(pool, 1, timedelta(hours=47), "target, packet")
    await log_entry(pool, 2, timedelta(hours=97), "target, packet")
    await Maintenance(pool, SystemClock(), None, window=timedelta(days=2)).sweep()
    entries = [PushEntry.from_entry(one) for one in await RelayLog(pool).push(0, 10)]
    assert [bool(entry.targets) for entry in entries] == [True, False]


async def test_thousands_are_forgotten_in_one_sweep(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO relay_log (seq, push_prev, target, packet, relayed_at)"
        " SELECT n, n - 1, '{/n,user:bob}', '[]', now() - interval '2 days' FROM generate_series(1, 2500) n"
    )
    await Maintenance(pool, SystemClock(), None).sweep()
    assert not await pool.fetchval(
        "SELECT count(*) FROM relay_log WHERE packet IS NOT NULL OR target IS NOT NULL"
    )
