"""What one stream's writer does while the log grows under its hands, and how much may wait for it."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest
import structlog
from structlog.testing import capture_logs

from bus import stream_writer, telemetry
from bus.base import PUSH, Entry
from bus.memory import MemoryBus
from bus.seldom import Seldom
from bus.stream_writer import StreamLog, StreamWriter
from bus.tasks import cancel, spawn
from schemas.db import Pool
from tests.waiting import until


class Relaying(StreamLog):
    """A log that a relay goes on writing: every look at it finds one entry more, as under steady load."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(PUSH, pool, asyncio.Semaphore(1), groups=[], window_s=120)
        self.entries: list[Entry] = []
        self.writer: StreamWriter | None = None

    def commit(self, count: int, size: int = 1) -> list[Entry]:
        first = len(self.entries) + 1
        made = [Entry(seq, seq - 1, [b"at", b"1" * size]) for seq in range(first, first + count)]
        self.entries += made
        return made

    async def _go_on(self) -> None:
        if self.writer is not None:
            self.writer.add(self.commit(1))
        await asyncio.sleep(0)

    async def head(self) -> int:
        await self._go_on()
        return len(self.entries)

    async def read(self, after: int, limit: int) -> list[Entry]:
        await self._go_on()
        return self.entries[after : after + limit]

    async def floor(self) -> int:
        await self._go_on()
        return 0


class Counting(MemoryBus):
    """Counts how often the stream was looked at and trimmed; while it is written to, the relay goes on."""

    def __init__(self, log: Relaying) -> None:
        super().__init__()
        self._log = log
        self.looks = self.trims = 0

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        await self._log._go_on()
        return await super().append(stream, last, entries)

    async def last(self, streams: Sequence[str]) -> list[int]:
        self.looks += 1
        return await super().last(streams)

    async def trim(self, stream: str, upto: int) -> None:
        self.trims += 1
        await super().trim(stream, upto)


@pytest.fixture
def relaying(pool: Pool) -> Relaying:
    return Relaying(pool)


@pytest.fixture
def bus(relaying: Relaying) -> Counting:
    return Counting(relaying)


@pytest.fixture
def writer(relaying: Relaying, bus: Counting) -> StreamWriter:
    return StreamWriter(bus, relaying, heal_s=0.01, say_behind=Seldom(structlog.get_logger()))


def mended() -> float:
    return telemetry.total(telemetry.MENDED)


async def test_what_is_lost_under_steady_load_is_mended_once_and_looking_and_trimming_go_on(
    relaying: Relaying, bus: Counting, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_writer, "TRIM_S", 0.0)
    await writer.append(relaying.commit(5))
    before = mended()
    relaying.commit(5)  # these are never added
    writer.add(relaying.commit(5))
    relaying.writer = writer
    task = spawn(writer.run(), name="writer")

    async def looked_and_trimmed() -> bool:
        return bus.looks >= 5 and bus.trims >= 5

    await until(looked_and_trimmed, within_s=5)
    first = mended()
    looks = bus.looks

    async def looked_again() -> bool:
        return bus.looks >= looks + 5

    await until(looked_again, within_s=5)
    await cancel(task)
    assert 10 <= first - before < 40
    assert mended() == first, "what came since was appended"
    [last] = await bus.last([PUSH])
    held = await bus.read(PUSH, 0, count=last, block_ms=1)
    assert [entry.seq for entry in held] == list(range(1, last + 1))


async def test_mending_ends_where_the_append_began_that_found_the_loss(
    relaying: Relaying, bus: Counting, writer: StreamWriter
) -> None:
    await writer.append(relaying.commit(5))
    relaying.commit(5)
    relaying.writer = writer
    async with asyncio.timeout(5):
        await writer.append(relaying.commit(5))
    assert await bus.last([PUSH]) == [15]
    assert len(relaying.entries) > 15


async def test_a_stream_that_keeps_losing_says_so_seldom(
    relaying: Relaying, bus: Counting, writer: StreamWriter
) -> None:
    await writer.append(relaying.commit(5))
    await writer.heal()
    with capture_logs() as logs:
        for _ in range(5):
            await bus.drop([PUSH])
            await writer.append(relaying.commit(1))
    assert await bus.last([PUSH]) == [10]
    assert [line["entries"] for line in logs if "mended" in line["event"]] == [6]


def waiting(writer: StreamWriter) -> Iterable[int]:
    return [entry.seq for entry in writer._pending]


async def test_of_more_than_may_wait_nothing_is_kept_in_number_or_in_bytes(
    relaying: Relaying, bus: Counting, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_writer, "MOST_PENDING", 10)
    monkeypatch.setattr(stream_writer, "MOST_PENDING_BYTES", 1000)
    for count, size in ((10, 1), (3, 300)):
        writer.add(relaying.commit(count, size))
        assert len(list(waiting(writer))) == count
        writer.add(relaying.commit(1, size))
        assert waiting(writer) == []
    writer.add(relaying.commit(3, 300))
    assert len(list(waiting(writer))) == 3, "counted from nothing again"


async def test_what_was_not_kept_comes_from_the_log(
    relaying: Relaying, bus: Counting, writer: StreamWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_writer, "MOST_PENDING_BYTES", 1000)
    task = spawn(writer.run(), name="writer")
    writer.add(relaying.commit(20, 300))

    async def whole() -> bool:
        return await bus.last([PUSH]) == [len(relaying.entries)]

    await until(whole, within_s=5)
    writer.add(relaying.commit(1))
    await until(whole, within_s=5)
    await cancel(task)
