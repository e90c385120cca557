"""Owns what one stream holds: appends what the relay numbered, and mends from the log what it lost."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from bus import telemetry
from bus.base import PUSH, Bus, BusError, Entry
from bus.log import RelayLog
from bus.seldom import Seldom
from bus.tasks import forever
from schemas.db import Pool

log = structlog.get_logger(__name__)

CHUNK_ENTRIES: Final = 256
CHUNK_BYTES: Final = 1_000_000
MOST_PENDING: Final = 10_000
MOST_PENDING_BYTES: Final = 16 << 20
"""What may wait for one stream; as much again may be on its way. The log has what is not kept."""
MOST_MENDED: Final = 100_000  # of older entries the log itself is read: Redis need not hold a long history
DOWN_S: Final = 1.0
TRIM_S: Final = 10.0

FLOOR: Final = "SELECT min(seq) FROM consumer_positions WHERE partition = $1 AND grp = ANY($2)"


class StreamLog:
    """What the log says of one stream; of all streams only a few ask at once, so that others get a turn."""

    def __init__(
        self, stream: str, pool: Pool, turns: asyncio.Semaphore, *, groups: Sequence[str], window_s: float
    ) -> None:
        self.stream = stream
        self._pool = pool
        self._log = RelayLog(pool)
        self._turns = turns
        self._groups = list(groups)
        self._window_s = window_s

    async def head(self) -> int:
        """Answer the last number that the stream was given."""
        async with self._turns:
            return await self._log.head(self.stream)

    async def read(self, after: int, limit: int) -> list[Entry]:
        """Answer up to `limit` entries above a number."""
        async with self._turns:
            if self.stream == PUSH:
                return await self._log.push(after, limit)
            return await self._log.events(self._partition, after, limit)

    async def floor(self) -> int:
        """Answer the number up to which the stream may be forgotten."""
        async with self._turns:
            if self.stream == PUSH:
                return await self._log.push_floor(self._window_s)
            return int(await self._pool.fetchval(FLOOR, self._partition, self._groups) or 0)

    @property
    def _partition(self) -> int:
        return int(self.stream.removeprefix("events:"))


class StreamWriter:
    """Writes one stream for the relay that leads."""

    def __init__(self, bus: Bus, stream_log: StreamLog, *, heal_s: float, say_behind: Seldom) -> None:
        self.stream = stream_log.stream
        self._bus = bus
        self._log = stream_log
        self._heal_s = heal_s
        self._say_behind = say_behind
        self._say_mended = Seldom(log)
        self._say_filled = Seldom(log, level=logging.INFO)
        self._pending: list[Entry] = []
        self._pending_bytes = 0
        self._looked: int | None = None
        """The stream's last number at the last look."""
        self._woken = asyncio.Event()
        self._trim_at = 0.0

    def add(self, entries: Sequence[Entry]) -> None:
        """Take entries that were just committed; of too many none are kept: the log has them."""
        self._pending.extend(entries)
        self._pending_bytes += sum(map(_weight, entries))
        if len(self._pending) > MOST_PENDING or self._pending_bytes > MOST_PENDING_BYTES:
            self._take_pending()
        self._woken.set()

    def forget(self) -> None:
        """Know nothing: what happened since the relay led last is found out by looking."""
        self._take_pending()
        self._looked = None

    def _take_pending(self) -> list[Entry]:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        return pending

    async def run(self) -> None:
        """Append for ever; run it as a background task while the relay leads."""

        async def work() -> None:
            try:
                await self._append_and_heal()
            except BusError as error:
                self._looked = None
                telemetry.BUS_ERRORS.inc()
                self._say_behind(
                    "a stream is behind until its server answers again", stream=self.stream, error=str(error)
                )

        await forever(work, name=f"appender of {self.stream}", pause_s=DOWN_S)

    async def _append_and_heal(self) -> None:
        """Look at the stream first, and again every second; in between append what comes."""
        loop, next_heal = asyncio.get_running_loop(), 0.0
        while True:
            if loop.time() >= next_heal:
                await self.heal()
                next_heal = loop.time() + self._heal_s
            self._woken.clear()
            await self.append(self._take_pending())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_heal):
                    await self._woken.wait()

    async def append(self, entries: Sequence[Entry]) -> None:
        """Append entries that follow each other; where the stream does not fit them, the log decides."""
        for chunk in _chunks(entries):
            found = await self._bus.append(self.stream, chunk[0].prev, chunk)
            if found != chunk[-1].seq:
                await self._mend(found, entries[-1].seq)
                return

    async def heal(self) -> None:
        """Compare the stream with the log and mend what differs; trim what nobody needs any more.

        The stream is asked before the log: whatever a stream holds was in the log earlier. A stream
        that is ahead of it therefore belongs to another history (a database put back from a backup). One
        that is behind but has moved on since the last look is left alone: its entries are on their way.
        """
        [last] = await self._bus.last([self.stream])
        head = await self._log.head()
        if last > head:
            log.error("a stream is ahead of the log and is made anew", stream=self.stream, last=last)
            await self._bus.drop([self.stream])
            await self._mend(0, head)
        elif last < head and (self._looked is None or self._looked >= last):
            await self._mend(last, head)
        self._looked = last
        await self._trim()

    async def _mend(self, last: int, head: int) -> None:
        """Append from the log what the stream lacks up to `head`."""
        lost = last < (self._looked or 0)  # else it is the first look, as after a restart
        if not await self._is_ours():
            log.error("a stream holds another history and is made anew", stream=self.stream, last=last)
            await self._bus.drop([self.stream])
            last = 0
        if appended := await self._refill(last, head):
            telemetry.MENDED.inc(appended)
            say = self._say_mended if lost else self._say_filled
            say("a stream was mended from the log", stream=self.stream, entries=appended)

    async def _refill(self, last: int, head: int) -> int:
        """Append from the oldest entry that is still needed on; answer how many were appended.

        Not beyond `head`: the end of the log moves on meanwhile, and what is new there waits to be appended.
        """
        after, appended = max(last, await self._log.floor(), head - MOST_MENDED), 0
        while after < head:
            read = await self._log.read(after, CHUNK_ENTRIES)
            lacking = [entry for entry in read if entry.seq <= head]
            if not lacking:
                break  # the log itself holds no more
            for chunk in _chunks(lacking):
                found = await self._bus.append(self.stream, last, chunk)
                if found != chunk[-1].seq:
                    return appended  # somebody else wrote meanwhile: the next look settles it
                last = after = found
                appended += len(chunk)
        return appended

    async def _is_ours(self) -> bool:
        """Say whether the stream's last entry is the log's entry of that number."""
        tail = await self._bus.tail(self.stream)
        return tail is None or await self._log.read(tail.seq - 1, 1) == [tail]

    async def _trim(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._trim_at:
            self._trim_at = now + TRIM_S
            await self._bus.trim(self.stream, await self._log.floor())


def _weight(entry: Entry) -> int:
    return sum(map(len, entry.fields))


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Part entries so that one append stays small."""
    start, size = 0, 0
    for index, entry in enumerate(entries):
        weight = _weight(entry)
        if index > start and (index - start >= CHUNK_ENTRIES or size + weight > CHUNK_BYTES):
            yield entries[start:index]
            start, size = index, 0
        size += weight
    if start < len(entries):
        yield entries[start:]
