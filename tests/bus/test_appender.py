"""The streams: trimmed when nobody needs them, mended when they lost something, never in anybody's way."""

import asyncio
from collections.abc import Sequence

import pytest
import structlog
from structlog.testing import capture_logs

from bus.base import PUSH, Bus, events_stream
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.relay import Relay
from bus.seldom import Seldom
from bus.stream_writer import StreamLog, StreamWriter
from schemas.db import Pool
from tests.bus.conftest import Publish, relayed

SUBJECT_PARTITION = "SELECT partition FROM relay_log WHERE seq = 1"


def writer(
    bus: Bus,
    pool: Pool,
    stream: str,
    groups: Sequence[str] = ("quick", "slow"),
    window_s: float = 120,
) -> StreamWriter:
    stream_log = StreamLog(stream, pool, asyncio.Semaphore(1), groups=groups, window_s=window_s)
    return StreamWriter(bus, stream_log, heal_s=1, say_behind=Seldom(structlog.get_logger()))


@pytest.fixture
async def partition(pool: Pool, relaying: Relay, publish: Publish) -> int:
    """Where ten events of one subject are."""
    await publish(10, subjects=1)
    await relayed(pool, 10)
    return int(await pool.fetchval(SUBJECT_PARTITION))


async def stand_at(pool: Pool, partition: int, **seqs: int) -> None:
    for group, seq in seqs.items():
        await pool.execute("INSERT INTO consumer_positions VALUES ($1, $2, $3)", group, partition, seq)


async def numbers(bus: Bus, stream: str) -> list[int]:
    return [entry.seq for entry in await bus.read(stream, 0, count=100, block_ms=1)]


async def test_a_stream_is_trimmed_up_to_the_slowest_group(pool: Pool, partition: int) -> None:
    bus, stream = MemoryBus(), events_stream(partition)
    await bus.append(stream, 0, await RelayLog(pool).events(partition, 0, 100))
    await stand_at(pool, partition, quick=9, slow=4, unknown=1)
    await writer(bus, pool, stream).heal()
    assert await numbers(bus, stream) == [5, 6, 7, 8, 9, 10]


async def test_the_push_stream_is_trimmed_when_its_entries_are_older_than_the_window(
    pool: Pool, partition: int
) -> None:
    await pool.execute("UPDATE relay_log SET relayed_at = now() - interval '1 hour' WHERE seq <= 7")
    bus = MemoryBus()
    await bus.append(PUSH, 0, await RelayLog(pool).push(0, 100))
    await writer(bus, pool, PUSH, window_s=7200).heal()
    assert await numbers(bus, PUSH) == list(range(1, 11))
    await writer(bus, pool, PUSH, window_s=1800).heal()
    assert await numbers(bus, PUSH) in ([8, 9, 10], [7, 8, 9, 10])  # of one instant, one may stay


async def test_what_every_group_passed_is_not_put_back(pool: Pool, partition: int) -> None:
    bus, stream = MemoryBus(), events_stream(partition)
    await stand_at(pool, partition, quick=9, slow=8)
    await writer(bus, pool, stream).heal()
    assert await numbers(bus, stream) == [9, 10]


async def test_filling_an_empty_server_is_no_warning_and_losing_entries_is(
    pool: Pool, partition: int
) -> None:
    bus = MemoryBus()
    healing = writer(bus, pool, PUSH)
    levels = []
    for _ in range(2):
        with capture_logs() as logs:
            await healing.heal()
        levels.append({line["log_level"] for line in logs if "mended" in line["event"]})
        await healing.heal()
        await bus.drop([PUSH])
    assert levels == [{"info"}, {"warning"}]


async def test_a_relay_back_from_the_dead_disturbs_nothing(pool: Pool, partition: int) -> None:
    bus, stream = MemoryBus(), events_stream(partition)
    entries = await RelayLog(pool).events(partition, 0, 100)
    await bus.append(stream, 0, entries)
    await writer(bus, pool, stream).append(entries[3:6])
    assert await numbers(bus, stream) == list(range(1, 11))
