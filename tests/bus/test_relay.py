"""The relay: gapless numbers in commit order, one leader, streams that heal."""

import asyncio

import asyncpg
import pytest
from redis.asyncio import Redis

from bus.appender import Appender
from bus.base import PUSH, Bus, Entry, PushEntry, events_stream
from bus.log import RelayLog
from bus.outbox import Outbox
from bus.partitions import PartitionsError, agree
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from schemas.db import Pool
from tests.bus.conftest import PARTITIONS, Publish, relayed
from tests.waiting import until

LEADERS = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def whole(bus: Bus, stream: str) -> list[Entry]:
    return await bus.read(stream, 0, count=10_000, block_ms=1)


async def assert_streams_hold_the_log(pool: Pool, bus: Bus) -> None:
    log = RelayLog(pool)

    async def same() -> bool:
        for partition in range(PARTITIONS):
            if await whole(bus, events_stream(partition)) != await log.events(partition, 0, 10_000):
                return False
        return await whole(bus, PUSH) == await log.push(0, 10_000)

    await until(same)


async def test_numbers_have_no_gap_and_the_outbox_is_empty_afterwards(
    pool: Pool, relaying: Relay, publish: Publish
) -> None:
    await asyncio.gather(*(publish(7) for _ in range(20)))
    await relayed(pool, 140)
    assert [r["seq"] for r in await pool.fetch("SELECT seq FROM relay_log ORDER BY seq")] == list(
        range(1, 141)
    )
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0


async def test_every_stream_holds_what_the_log_says_and_chains_without_a_gap(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    await publish(50, subjects=17)
    await relayed(pool, 50)
    await assert_streams_hold_the_log(pool, bus)
    for stream in (PUSH, *(events_stream(p) for p in range(PARTITIONS))):
        entries = await whole(bus, stream)
        assert [e.prev for e in entries] == [0, *(e.seq for e in entries)][: len(entries)]


async def test_a_push_entry_names_who_sees_the_event(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    [event] = await publish(1)
    await relayed(pool, 1)
    await assert_streams_hold_the_log(pool, bus)
    [entry] = [PushEntry.from_entry(e) for e in await whole(bus, PUSH)]
    [target] = entry.targets
    assert (target.namespace, target.rooms) == ("/feed", ("content:c0",))
    assert target.packet == b'["content.liked",' + event.to_packet() + b"]"


async def test_words_for_the_gateways_keep_their_place_among_the_events(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    await publish(1)
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).control(tx, "suspend", "bob")
    await publish(1)
    await relayed(pool, 3)
    await assert_streams_hold_the_log(pool, bus)
    entries = [PushEntry.from_entry(e) for e in await whole(bus, PUSH)]
    assert [e.controls for e in entries] == [(), (("suspend", "bob"),), ()]


async def test_a_flushed_server_is_filled_again_from_the_log(
    pool: Pool, bus: Bus, redis_url: str, relaying: Relay, publish: Publish
) -> None:
    await publish(30)
    await relayed(pool, 30)
    await assert_streams_hold_the_log(pool, bus)
    async with Redis.from_url(redis_url) as redis:
        await redis.flushall()
    await assert_streams_hold_the_log(pool, bus)


async def test_a_stream_from_another_history_is_made_anew(
    pool: Pool, bus: Bus, relay: Relay, publish: Publish
) -> None:
    await bus.append(PUSH, 0, [Entry(9_000, 0, [b"/feed\0feed", b"[]"])])
    task = spawn(relay.run(), name="relay")
    await publish(3)
    await relayed(pool, 3)
    await assert_streams_hold_the_log(pool, bus)
    await cancel(task)


async def test_entries_of_another_history_are_not_built_upon(
    pool: Pool, bus: Bus, relay: Relay, publish: Publish
) -> None:
    # as after a failover that lost the last commits: same numbers, other events
    await publish(3, subjects=1)
    first = spawn(relay.run(), name="relay")
    await relayed(pool, 3)
    await assert_streams_hold_the_log(pool, bus)
    await cancel(first)
    await pool.execute("UPDATE relay_heads SET seq = 0")
    await pool.execute("TRUNCATE relay_log, events, event_ids")
    await publish(5, subjects=1)
    second = spawn(relay.run(), name="relay")
    await relayed(pool, 5)
    await assert_streams_hold_the_log(pool, bus)
    await cancel(second)


async def test_an_event_that_cannot_be_read_does_not_stop_the_numbering(
    pool: Pool, bus: Bus, relay: Relay, publish: Publish
) -> None:
    await publish(2)
    await pool.execute('UPDATE events SET data = data || \'{"author": "not an id!"}\'')
    task = spawn(relay.run(), name="relay")
    await publish(2)
    await relayed(pool, 4)
    await assert_streams_hold_the_log(pool, bus)
    assert len(await whole(bus, PUSH)) == 2
    await cancel(task)


async def test_only_one_relay_leads_and_the_standby_takes_over(
    database: str, pool: Pool, bus: Bus, agreed: None, publish: Publish
) -> None:
    def candidate() -> Relay:
        appender = Appender(bus, pool, partitions=PARTITIONS, groups=["g"], window_s=120)
        return Relay(database, appender, RelayConfig(partitions=PARTITIONS, standby_s=0.05))

    first = spawn(candidate().run(), name="first")
    await publish(5)
    await relayed(pool, 5)
    second = spawn(candidate().run(), name="second")
    for _ in range(20):
        await publish(5)  # two leaders would take rows from each other and collide
    await relayed(pool, 105)
    assert await pool.fetchval(LEADERS) == 1
    await cancel(first)
    await publish(5)
    await relayed(pool, 110)
    assert [r["seq"] for r in await pool.fetch("SELECT seq FROM relay_log ORDER BY seq")] == list(
        range(1, 111)
    )
    await assert_streams_hold_the_log(pool, bus)
    await cancel(second)


async def test_a_leader_whose_session_is_ended_goes_on_without_a_gap(
    pool: Pool, bus: Bus, relaying: Relay, publish: Publish
) -> None:
    await publish(5)
    await relayed(pool, 5)
    await pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    await publish(5)
    await relayed(pool, 10)
    assert [r["seq"] for r in await pool.fetch("SELECT seq FROM relay_log ORDER BY seq")] == list(
        range(1, 11)
    )
    await assert_streams_hold_the_log(pool, bus)


async def test_numbering_goes_on_while_the_stream_server_is_away(
    database: str, pool: Pool, agreed: None, publish: Publish
) -> None:
    from bus.redis_streams import RedisBus

    away = RedisBus("redis://127.0.0.1:1/0", prefix="test")
    appender = Appender(away, pool, partitions=PARTITIONS, groups=["g"], window_s=120)
    task = spawn(Relay(database, appender, RelayConfig(partitions=PARTITIONS)).run(), name="relay")
    await publish(5)
    await relayed(pool, 5)
    await cancel(task)
    await away.close()


async def test_a_subject_stays_in_its_partition_and_in_order(
    pool: Pool, relaying: Relay, publish: Publish
) -> None:
    events = await publish(60, subjects=5)
    await relayed(pool, 60)
    rows = await pool.fetch(
        "SELECT e.subject, r.partition, e.id FROM relay_log r JOIN events e ON e.id = r.event_id"
        " ORDER BY r.seq"
    )
    for subject in {event.subject for event in events}:
        mine = [row for row in rows if row["subject"] == subject]
        assert len({row["partition"] for row in mine}) == 1
        assert [row["id"] for row in mine] == [e.id for e in events if e.subject == subject]


async def test_another_number_of_partitions_is_refused(pool: Pool, agreed: None) -> None:
    async with pool.acquire() as tx, tx.transaction():
        with pytest.raises(PartitionsError, match="made with 4"):
            await agree(tx, 5)


async def test_the_log_refuses_a_number_twice(pool: Pool, relaying: Relay, publish: Publish) -> None:
    await publish(1)
    await relayed(pool, 1)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute("INSERT INTO relay_log (seq, relayed_at) VALUES (1, now())")
