"""The gateway's end of the push stream: where it begins, what it delivers, how it gets over losses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis

from bus import telemetry
from bus.base import PUSH, Bus, PushEntry, events_stream
from bus.log import RelayLog
from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.relay import Relay
from bus.tasks import cancel, spawn
from schemas.db import Pool
from tests.bus.conftest import PARTITIONS, Publish, relayed
from tests.waiting import until

WINDOW_S = 100.0


class Heard:
    """What a tail told a gateway."""

    def __init__(self) -> None:
        self.entries: list[PushEntry] = []
        self.batches: list[int] = []
        self.begun: list[int] = []

    def deliver(self, entries: Sequence[PushEntry]) -> None:
        self.entries += entries
        self.batches.append(len(entries))

    def chained(self, start: int) -> bool:
        """Whether everything after a number is there, in order, once."""
        before = [start, *(entry.seq for entry in self.entries)]
        return [entry.prev for entry in self.entries] == before[:-1]


Follow = Callable[[], Awaitable[tuple[PushTail, Heard]]]


@pytest.fixture
async def follow(bus: Bus, pool: Pool) -> AsyncIterator[Follow]:
    tasks = []

    async def start() -> tuple[PushTail, Heard]:
        tail, heard = PushTail(bus, pool, window_s=WINDOW_S), Heard()
        tasks.append(spawn(tail.run(heard.deliver, heard.begun.append), name="tail"))
        async with asyncio.timeout(10):
            await tail.caught_up.wait()
        return tail, heard

    yield start
    await cancel(*tasks)


async def at(tail: PushTail, seq: int) -> None:
    async def reached() -> bool:
        return tail.position == seq

    await until(reached)


async def make_old(pool: Pool, upto: int) -> None:
    await pool.execute(
        "UPDATE relay_log SET relayed_at = relayed_at - make_interval(secs => 2 * $2) WHERE seq <= $1",
        upto,
        WINDOW_S,
    )


async def test_it_begins_with_what_the_window_holds(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(6)
    await relayed(pool, 6)
    await make_old(pool, 4)
    tail, heard = await follow()
    assert heard.begun == [4]
    assert [entry.seq for entry in heard.entries] == [5, 6]
    await publish(3)
    await at(tail, 9)
    assert heard.chained(4)


async def test_it_begins_with_everything_where_everything_is_young(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(3)
    await relayed(pool, 3)
    _, heard = await follow()
    assert heard.begun == [0]
    assert [entry.seq for entry in heard.entries] == [1, 2, 3]


async def test_what_no_socket_gets_is_no_place_to_begin(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(5)
    await relayed(pool, 5)
    await make_old(pool, 4)
    await pool.execute("UPDATE relay_log SET push_prev = NULL WHERE seq IN (3, 4)")
    assert await RelayLog(pool).push_floor(WINDOW_S) == 2


async def test_where_retention_took_everything_it_begins_at_the_head(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(3)
    await relayed(pool, 3)
    await pool.execute("DELETE FROM relay_log")
    tail, heard = await follow()
    assert (heard.begun, heard.entries) == ([3], [])
    await publish(1)
    await at(tail, 4)
    assert heard.chained(3)


def said_of_the_tail(name: str) -> float:
    """What the metrics say."""
    return telemetry.REGISTRY.get_sample_value(name) or 0.0


async def test_a_gateway_that_has_nothing_to_deliver_does_not_say_that_it_is_behind(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    telemetry.PUSH_SEQ.set(0)
    await publish(6)
    await relayed(pool, 6)
    await make_old(pool, 6)
    _, heard = await follow()
    assert heard.entries == []
    assert said_of_the_tail("hub_push_seq") == 6


async def test_the_lag_is_that_of_the_first_event_though_words_come_before_it(
    relay: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    _, heard = await follow()
    before = said_of_the_tail("hub_push_lag_seconds_count")
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).control(tx, "join", "ann", "/feed", "zone:z")
    await publish(3)
    task = spawn(relay.run(), name="relay")

    async def all_heard() -> bool:
        return len(heard.entries) == 4

    await until(all_heard)
    await cancel(task)
    assert heard.batches == [4]
    assert said_of_the_tail("hub_push_lag_seconds_count") == before + 1


async def test_where_retention_took_the_oldest_it_begins_after_them(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(5)
    await relayed(pool, 5)
    await pool.execute("DELETE FROM relay_log WHERE seq <= 2")
    _, heard = await follow()
    assert heard.begun == [2]
    assert [entry.seq for entry in heard.entries] == [3, 4, 5]


async def test_what_comes_together_is_delivered_together(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    await publish(40)
    await relayed(pool, 40)
    _, heard = await follow()
    assert heard.chained(0)
    assert len(heard.batches) < 10


async def test_a_flushed_server_costs_no_entry(
    relaying: Relay, publish: Publish, follow: Follow, redis_url: str
) -> None:
    tail, heard = await follow()
    client = Redis.from_url(redis_url)
    for round_ in range(1, 4):
        await publish(5)
        await client.flushall()
        await publish(5)
        await at(tail, 10 * round_)
    await client.aclose()
    assert heard.chained(0)
    assert heard.begun == [0]


async def test_an_entry_that_cannot_be_read_is_read_from_the_log(
    relay: Relay, publish: Publish, pool: Pool, follow: Follow, redis_url: str
) -> None:
    await publish(3)
    task = spawn(relay.run(), name="relay")
    await relayed(pool, 3)
    await cancel(task)
    client = Redis.from_url(redis_url)
    async with client:
        given: Any = await client.xrange(f"test:{PUSH}")
        await client.delete(f"test:{PUSH}")
        for number, (entry_id, fields) in enumerate(given):
            spoilt = {**fields, b"prev": b"?"} if number == 1 else {**fields, b"at": b"now"}
            await client.xadd(f"test:{PUSH}", spoilt, id=entry_id)
    tail, heard = await follow()
    await at(tail, 3)
    assert heard.chained(0)


async def test_words_come_in_order_with_the_events_around_them(
    relaying: Relay, publish: Publish, pool: Pool, follow: Follow
) -> None:
    tail, heard = await follow()
    await publish(1)
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).control(tx, "join", "ann", "/feed", "zone:z")
    await publish(1)
    await at(tail, 3)
    assert [entry.controls for entry in heard.entries] == [(), (("join", "ann", "/feed", "zone:z"),), ()]


async def test_a_log_put_back_from_a_backup_begins_anew(
    relay: Relay, publish: Publish, pool: Pool, follow: Follow, bus: Bus
) -> None:
    task = spawn(relay.run(), name="relay")
    tail, heard = await follow()
    await publish(4)
    await at(tail, 4)
    await cancel(task)
    await bus.drop([PUSH])
    await pool.execute("UPDATE relay_heads SET seq = 2 WHERE stream = $1", PUSH)
    await pool.execute("DELETE FROM relay_log WHERE seq > 2")
    await at(tail, 2)
    assert heard.begun == [0, 2]
    assert said_of_the_tail("hub_push_seq") == 2


@dataclass
class Gateway:
    """A tail that can be away from the database for a while."""

    tail: PushTail
    heard: Heard = field(default_factory=Heard)

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        task = spawn(self.tail.run(self.heard.deliver, self.heard.begun.append), name="tail")
        yield
        await cancel(task)


async def put_back(pool: Pool, bus: Bus, upto: int) -> None:
    """As if the database had been put back from a backup that ends at a number, and the relay had looked."""
    await bus.drop([PUSH, *(events_stream(partition) for partition in range(PARTITIONS))])
    await pool.execute("DELETE FROM relay_log WHERE seq > $1", upto)
    await pool.execute(
        "UPDATE relay_heads h SET seq = CASE WHEN stream LIKE 'events:%' THEN coalesce(("
        " SELECT max(seq) FROM relay_log WHERE 'events:' || partition = h.stream), 0) ELSE $1 END",
        upto,
    )


async def test_a_log_put_back_that_has_grown_beyond_the_position_begins_anew(
    relay: Relay, publish: Publish, pool: Pool, bus: Bus
) -> None:
    gateway = Gateway(PushTail(bus, pool, window_s=WINDOW_S))
    task = spawn(relay.run(), name="relay")
    async with gateway.following():
        await publish(4)
        await at(gateway.tail, 4)
    await cancel(task)
    await put_back(pool, bus, 2)
    task = spawn(relay.run(), name="relay")
    await publish(5)
    await relayed(pool, 7)  # an entry 4 is there, and 5 follows it; but they are others
    async with gateway.following():
        await at(gateway.tail, 7)
        await publish(2)
        await at(gateway.tail, 9)
    await cancel(task)
    assert gateway.heard.begun == [0, 7]
    assert [entry.seq for entry in gateway.heard.entries] == [1, 2, 3, 4, 8, 9]


async def test_entries_that_do_not_follow_the_position_begin_anew(
    relay: Relay, publish: Publish, pool: Pool, bus: Bus, follow: Follow
) -> None:
    task = spawn(relay.run(), name="relay")
    tail, heard = await follow()
    await publish(6)
    await at(tail, 6)
    await cancel(task)
    async with pool.acquire() as tx, tx.transaction():  # 5 and 6 never were, and 7 to 9 came at once
        await tx.execute("DELETE FROM relay_log WHERE seq IN (5, 6)")
        await tx.execute(
            "INSERT INTO relay_log (seq, push_prev, control, relayed_at)"
            " SELECT n, CASE n WHEN 7 THEN 4 ELSE n - 1 END, '{suspend,bob}', now()"
            " FROM generate_series(7, 9) n"
        )
        await tx.execute("UPDATE relay_heads SET seq = 9 WHERE stream IN ('log', 'push')")
    await at(tail, 9)
    assert heard.begun == [0, 9]
    assert [entry.seq for entry in heard.entries] == [1, 2, 3, 4, 5, 6]


async def test_a_tail_that_lost_the_database_for_a_while_goes_on_where_it_was(
    relaying: Relay, publish: Publish, pool: Pool, bus: Bus
) -> None:
    gateway = Gateway(PushTail(bus, pool, window_s=WINDOW_S))
    async with gateway.following():
        await publish(4)
        await at(gateway.tail, 4)
    await publish(4)
    await relayed(pool, 8)
    async with gateway.following():
        await at(gateway.tail, 8)
    assert gateway.heard.begun == [0]
    assert gateway.heard.chained(0)
