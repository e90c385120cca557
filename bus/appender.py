"""Owns what the streams hold: appends what the relay numbered, and mends a stream that lost entries.

It works beside the relay, never in its way: a stream server that is slow, hung or away costs the numbering
nothing. What could not be appended is mended from the log later.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog

from bus import telemetry
from bus.base import PUSH, Bus, BusError, Entry, events_stream
from bus.log import RelayLog
from bus.seldom import Seldom
from bus.tasks import forever
from schemas.db import Pool

log = structlog.get_logger(__name__)

CHUNK_ENTRIES: Final = 256
CHUNK_BYTES: Final = 1_000_000
MOST_PENDING: Final = 20_000
MOST_MENDED: Final = 100_000  # of older entries the log itself is read: Redis need not hold a long history
DOWN_S: Final = 1.0
TRIM_S: Final = 10.0

FLOOR: Final = "SELECT min(seq) FROM consumer_positions WHERE partition = $1 AND grp = ANY($2)"


class Appender:
    """Writes the streams for the relay that leads. Groups and window say what must still be readable."""

    def __init__(
        self,
        bus: Bus,
        pool: Pool,
        *,
        partitions: int,
        groups: Sequence[str],
        window_s: float,
        heal_s: float = 1.0,
    ) -> None:
        self._bus = bus
        self._pool = pool
        self._log = RelayLog(pool)
        self._streams = [PUSH, *(events_stream(partition) for partition in range(partitions))]
        self._groups = list(groups)
        self._window_s = window_s
        self._heal_s = heal_s
        self._pending: dict[str, list[Entry]] = defaultdict(list)
        self._count = 0
        self._lasts: dict[str, int] = {}
        self._woken = asyncio.Event()
        self._trim_at = 0.0
        self._say_behind = Seldom(log)

    def add(self, streams: Mapping[str, Sequence[Entry]]) -> None:
        """Take entries that were just committed; of too many none are kept: the log has them."""
        for stream, entries in streams.items():
            self._pending[stream].extend(entries)
            self._count += len(entries)
        if self._count > MOST_PENDING:
            self._forget()
        self._woken.set()

    def _forget(self) -> None:
        self._pending.clear()
        self._count = 0

    async def run(self) -> None:
        """Append for ever; run it as a background task while the relay leads."""
        self._forget()
        self._lasts.clear()

        async def work() -> None:
            try:
                await self._append_and_heal()
            except BusError as error:
                self._lasts.clear()
                telemetry.BUS_ERRORS.inc()
                self._say_behind("the streams are behind until the server answers again", error=str(error))

        await forever(work, name="appender", pause_s=DOWN_S)

    async def _append_and_heal(self) -> None:
        """Look at every stream first, and again every second; in between append what comes."""
        loop, next_heal = asyncio.get_running_loop(), 0.0
        while True:
            if loop.time() >= next_heal:
                await self.heal()
                next_heal = loop.time() + self._heal_s
            self._woken.clear()
            pending, self._pending = self._pending, defaultdict(list)
            self._count = 0
            await asyncio.gather(*(self._append(stream, entries) for stream, entries in pending.items()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_heal):
                    await self._woken.wait()

    async def _append(self, stream: str, entries: Sequence[Entry]) -> None:
        for chunk in _chunks(entries):
            if await self._bus.append(stream, chunk[0].prev, chunk) != chunk[-1].seq:
                await self._mend(stream, (await self._bus.last([stream]))[0], entries[-1].seq)
                return

    async def heal(self) -> None:
        """Compare every stream with the log and mend what differs; trim what nobody needs any more.

        The streams are asked before the log: whatever a stream holds was in the log earlier. A stream
        that is ahead of it therefore belongs to another history (a database put back from a backup). One
        that is behind but has moved on since the last look is left alone: its entries are on their way.
        """
        lasts = await self._bus.last(self._streams)
        heads = {r["stream"]: r["seq"] for r in await self._pool.fetch("SELECT * FROM relay_heads")}
        for stream, last in zip(self._streams, lasts, strict=True):
            head = heads.get(stream, 0)
            if last > head:
                log.error("a stream is ahead of the log and is made anew", stream=stream, last=last)
                await self._bus.drop([stream])
                await self._mend(stream, 0, head)
            elif last < head and self._lasts.get(stream, last) >= last:
                await self._mend(stream, last, head)
            self._lasts[stream] = last
        await self._trim()

    async def _mend(self, stream: str, last: int, head: int) -> None:
        """Append from the log what a stream lacks, from the oldest entry that is still needed on."""
        lost = last < self._lasts.get(stream, 0)  # else it is the first look, as after a restart
        if not await self._is_ours(stream):
            log.error("a stream holds another history and is made anew", stream=stream, last=last)
            await self._bus.drop([stream])
            last = 0
        after = max(last, await self._floor(stream), head - MOST_MENDED)
        appended = 0
        while entries := await self._read(stream, after, CHUNK_ENTRIES):
            for chunk in _chunks(entries):
                found = await self._bus.append(stream, last, chunk)
                if found != chunk[-1].seq:
                    return  # somebody else wrote meanwhile: the next look settles it
                last = after = found
            appended += len(entries)
        if appended:
            telemetry.MENDED.inc(appended)
            say = log.warning if lost else log.info
            say("a stream was mended from the log", stream=stream, entries=appended)

    async def _is_ours(self, stream: str) -> bool:
        """Say whether the stream's last entry is the log's entry of that number."""
        tail = await self._bus.tail(stream)
        return tail is None or await self._read(stream, tail.seq - 1, 1) == [tail]

    async def _read(self, stream: str, after: int, limit: int) -> list[Entry]:
        if stream == PUSH:
            return await self._log.push(after, limit)
        return await self._log.events(int(stream.removeprefix("events:")), after, limit)

    async def _floor(self, stream: str) -> int:
        """Answer the number up to which a stream may be forgotten."""
        if stream == PUSH:
            return await self._log.push_floor(self._window_s)
        partition = int(stream.removeprefix("events:"))
        return int(await self._pool.fetchval(FLOOR, partition, self._groups) or 0)

    async def _trim(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._trim_at:
            return
        self._trim_at = now + TRIM_S
        for stream in self._streams:
            await self._bus.trim(stream, await self._floor(stream))


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Part entries so that one append stays small."""
    start, size = 0, 0
    for index, entry in enumerate(entries):
        weight = sum(len(name) + len(value) for name, value in entry.fields)
        if index > start and (index - start >= CHUNK_ENTRIES or size + weight > CHUNK_BYTES):
            yield entries[start:index]
            start, size = index, 0
        size += weight
    if start < len(entries):
        yield entries[start:]
