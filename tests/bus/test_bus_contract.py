"""One contract for every Bus: the one in memory, the one on a real server, and on a real cluster."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from bus.base import PUSH, Bus, BusError, Entry, PushEntry, Target
from bus.memory import MemoryBus
from bus.redis_streams import FOREIGN, RedisBus


@pytest.fixture(params=["memory", "redis", "cluster"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    made: Bus
    if request.param == "memory":
        made = MemoryBus()
    else:
        url = request.getfixturevalue("redis_url" if request.param == "redis" else "cluster_urls")
        made = RedisBus(url, prefix="test")
    yield made
    await made.close()


def entry(seq: int, prev: int, value: bytes = b"v") -> Entry:
    return Entry(seq, prev, [b"event", value, b"/feed\0zone:a b", b"\x00\xff"])


async def test_what_was_appended_is_read_back_with_its_fields(bus: Bus) -> None:
    assert await bus.append("s", 0, [entry(3, 0), entry(7, 3)]) == 7
    assert await bus.read("s", 0, count=10, block_ms=1) == [entry(3, 0), entry(7, 3)]


AT = [b"at", b"1800000000000"]
ONE = [b"/feed\0zone:a", b'["e",1]']
WIDE = [b"/notifications\0user:a\0user:b", b'["n",{}]']
SUSPENDED = [b"!", b"suspend\0bob"]
PUSHED = [
    [*AT, *ONE],
    [*AT, *WIDE],
    [*AT, *ONE, *WIDE],
    ONE,
    WIDE,
    SUSPENDED,
    [*AT, *SUSPENDED],
    [*AT, *ONE, *SUSPENDED],
    AT,
    [*ONE, *AT],
    [*AT, b"/feed", b'["nobody"]'],
    [b"event", b"1", *ONE],
    [],
]


async def test_the_push_stream_is_read_as_what_it_asks_of_a_gateway(bus: Bus) -> None:
    given = [Entry(seq, seq - 1, list(fields)) for seq, fields in enumerate(PUSHED, 1)]
    assert await bus.append(PUSH, 0, given) == len(PUSHED)
    found = await bus.read_push(0, count=100, block_ms=1)
    assert found == [PushEntry.from_entry(one) for one in await bus.read(PUSH, 0, count=100, block_ms=1)]
    assert found == [PushEntry.from_entry(one) for one in given]
    assert found[0] == PushEntry(1, 0, (Target.of("/feed", ["zone:a"], b'["e",1]'),), (), AT[1])
    assert [one.seq for one in await bus.read_push(3, count=2, block_ms=1)] == [4, 5]
    assert await bus.read_push(len(PUSHED), count=2, block_ms=1) == []


async def test_words_that_bear_a_time_are_still_words(bus: Bus) -> None:
    await bus.append(PUSH, 0, [Entry(1, 0, [*AT, *SUSPENDED])])
    assert await bus.read_push(0, count=1, block_ms=1) == [PushEntry(1, 0, (), (("suspend", "bob"),), AT[1])]


@pytest.mark.parametrize(
    "fields",
    [
        {b"at": b"1", b"/feed\0feed": b"[]"},
        {b"at": b"1", b"/feed\0feed": b"[]", b"prev": b"1"},
        {b"prev": b"none", b"at": b"1", b"/feed\0feed": b"[]"},
        {b"prev": b"1", b"!": b"suspend\0\xff"},
    ],
    ids=["without the one before", "not in our order", "after no number", "words that are no text"],
)
async def test_an_entry_that_is_not_ours_follows_nothing(redis_url: str, fields: dict[Any, Any]) -> None:
    bus = RedisBus(redis_url, prefix="test")
    await bus.append(PUSH, 0, [Entry(1, 0, [*AT, *ONE])])
    async with Redis.from_url(redis_url) as client:
        await client.xadd(f"test:{PUSH}", fields, id="2-0")
    first, second = await bus.read_push(0, count=10, block_ms=1)
    assert (first.seq, first.prev) == (1, 0)
    assert second == PushEntry(2, FOREIGN)
    await bus.close()


async def test_an_append_that_builds_on_another_last_entry_does_nothing(bus: Bus) -> None:
    await bus.append("s", 0, [entry(3, 0)])
    assert await bus.append("s", 2, [entry(4, 2), entry(5, 4)]) == 3
    assert await bus.read("s", 0, count=10, block_ms=1) == [entry(3, 0)]


async def test_a_repeated_append_does_not_double(bus: Bus) -> None:
    await bus.append("s", 0, [entry(3, 0)])
    assert await bus.append("s", 0, [entry(3, 0)]) == 3
    assert len(await bus.read("s", 0, count=10, block_ms=1)) == 1


async def test_reading_goes_on_after_a_number_and_respects_the_count(bus: Bus) -> None:
    await bus.append("s", 0, [entry(1, 0), entry(2, 1), entry(3, 2)])
    assert [e.seq for e in await bus.read("s", 1, count=1, block_ms=1)] == [2]


async def test_a_quiet_stream_answers_nothing_in_time(bus: Bus) -> None:
    assert await bus.read("s", 0, count=10, block_ms=20) == []


async def test_a_waiting_reader_is_woken_by_an_append(bus: Bus) -> None:
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        reading = group.create_task(bus.read("s", 0, count=10, block_ms=3000))
        await asyncio.sleep(0)
        group.create_task(bus.append("s", 0, [entry(1, 0)]))
    assert [e.seq for e in reading.result()] == [1]


async def test_trimming_forgets_entries_and_keeps_the_last_number(bus: Bus) -> None:
    await bus.append("s", 0, [entry(1, 0), entry(2, 1)])
    await bus.append("s", 2, [entry(3, 2)])
    await bus.trim("s", 2)
    assert [e.seq for e in await bus.read("s", 0, count=10, block_ms=1)] == [3]
    await bus.trim("s", 3)
    assert await bus.tail("s") is None
    assert await bus.last(["s", "unknown"]) == [3, 0]
    assert await bus.append("s", 3, [entry(4, 3)]) == 4


async def test_many_entries_are_trimmed_at_once(bus: Bus) -> None:
    await bus.append("s", 0, [entry(seq, seq - 1) for seq in range(1, 15_001)])
    await bus.trim("s", 15_000)
    assert await bus.read("s", 0, count=10, block_ms=1) == []


async def test_the_tail_is_the_last_entry(bus: Bus) -> None:
    assert await bus.tail("s") is None
    await bus.append("s", 0, [entry(1, 0), entry(2, 1)])
    assert await bus.tail("s") == entry(2, 1)


async def test_a_dropped_stream_begins_anew(bus: Bus) -> None:
    await bus.append("s", 0, [entry(9, 0)])
    await bus.drop(["s"])
    assert await bus.last(["s"]) == [0]
    assert await bus.append("s", 0, [entry(4, 2)]) == 4


async def test_signals_reach_whoever_listens_now(bus: Bus) -> None:
    async with bus.signals() as one, bus.signals() as two:
        await bus.signal(b"a\0b")
        async with asyncio.timeout(5):
            assert [await anext(one), await anext(two)] == [b"a\0b", b"a\0b"]


async def test_counts_add_up_over_members_and_a_member_may_leave(bus: Bus) -> None:
    assert await bus.count("viewers:s", "g1", 2, 60) == 2
    assert await bus.count("viewers:s", "g2", 5, 60) == 7
    assert await bus.count("viewers:s", "g1", 0, 60) == 5


async def test_a_count_that_is_not_renewed_runs_out(bus: Bus) -> None:
    await bus.count("viewers:s", "gone", 4, 0.001)
    async with asyncio.timeout(5):
        while await bus.count("viewers:s", "here", 1, 60) != 1:  # noqa: ASYNC110  the server's clock decides
            await asyncio.sleep(0.005)


async def test_a_server_that_is_away_is_one_kind_of_error() -> None:
    bus = RedisBus("redis://127.0.0.1:1/0", prefix="test")
    with pytest.raises(BusError):
        await bus.ping()
    with pytest.raises(BusError):
        await bus.read("s", 0, count=1, block_ms=10)
    with pytest.raises(BusError):
        async with bus.signals():
            pass
    await bus.close()
