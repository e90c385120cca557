"""Owns what the streams hold: appends what the relay numbered, and mends a stream that lost entries."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import structlog

from bus import telemetry
from bus.base import PUSH, Bus, BusError, Entry, events_stream
from bus.log import RelayLog
from schemas.db import Session

log = structlog.get_logger(__name__)

CHUNK_ENTRIES: Final = 256
CHUNK_BYTES: Final = 1_000_000
DOWN_S: Final = 1.0
TRIM_S: Final = 10.0

FLOORS: Final = "SELECT min(seq) FROM consumer_positions WHERE partition = $1 AND grp = ANY($2)"
PUSH_FLOOR: Final = (
    "SELECT coalesce(max(seq), 0) FROM relay_log"
    " WHERE relayed_at < clock_timestamp() - make_interval(secs => $1)"
)
MOST_MENDED: Final = 100_000  # of older entries the log itself is read: Redis need not hold a long history


class Appender:
    """Writes the streams for the relay that leads. Groups and window say what must still be readable."""

    def __init__(self, bus: Bus, *, partitions: int, groups: Sequence[str], window_s: float) -> None:
        self._bus = bus
        self._partitions = partitions
        self._groups = list(groups)
        self._window_s = window_s
        self._down_until = 0.0
        self._trim_at = 0.0

    async def append(self, connection: Session, streams: Mapping[str, Sequence[Entry]]) -> None:
        """Append entries that were just committed; a server that is down is left to `heal`."""
        if asyncio.get_running_loop().time() < self._down_until:
            return  # numbering goes on at full speed meanwhile
        results = await asyncio.gather(
            *(self._append(stream, entries) for stream, entries in streams.items()), return_exceptions=True
        )
        for stream, result in zip(streams, results, strict=True):
            if isinstance(result, BusError):
                self._mark_down(result)
            elif isinstance(result, BaseException):
                raise result
            elif not result:
                last = (await self._bus.last([stream]))[0]
                await self._mend(connection, stream, last, streams[stream][-1].seq)

    async def _append(self, stream: str, entries: Sequence[Entry]) -> bool:
        for chunk in _chunks(entries):
            if await self._bus.append(stream, chunk[0].prev, chunk) != chunk[-1].seq:
                return False
        return True

    async def heal(self, connection: Session) -> None:
        """Compare every stream with the log and mend what differs; trim what nobody needs any more.

        The streams are asked before the log: whatever a stream holds was in the log earlier. A stream
        that is ahead of it therefore belongs to another history (a database put back from a backup).
        """
        streams = [PUSH, *(events_stream(p) for p in range(self._partitions))]
        try:
            lasts = await self._bus.last(streams)
            heads = {r["stream"]: r["seq"] for r in await connection.fetch("SELECT * FROM relay_heads")}
            for stream, last in zip(streams, lasts, strict=True):
                if last > heads.get(stream, 0):
                    log.error("a stream is ahead of the log and is made anew", stream=stream, last=last)
                    await self._bus.drop([stream])
                    await self._mend(connection, stream, 0, heads.get(stream, 0))
                elif last < heads.get(stream, 0):
                    await self._mend(connection, stream, last, heads[stream])
            await self._trim(connection)
        except BusError as error:
            self._mark_down(error)

    async def _mend(self, connection: Session, stream: str, last: int, head: int) -> None:
        """Append from the log what a stream lacks, from the oldest entry that is still needed on."""
        relay_log = RelayLog(connection)
        after = max(last, await self._floor(connection, stream), head - MOST_MENDED)
        appended = 0
        while entries := await self._read(relay_log, stream, after):
            for chunk in _chunks(entries):
                found = await self._bus.append(stream, last, chunk)
                if found != chunk[-1].seq:
                    return  # somebody else wrote meanwhile: the next look settles it
                last = after = found
            appended += len(entries)
        if appended:
            telemetry.MENDED.inc(appended)
            log.warning("a stream was mended from the log", stream=stream, entries=appended)

    async def _read(self, relay_log: RelayLog, stream: str, after: int) -> list[Entry]:
        if stream == PUSH:
            return await relay_log.push(after, CHUNK_ENTRIES)
        return await relay_log.events(int(stream.removeprefix("events:")), after, CHUNK_ENTRIES)

    async def _floor(self, connection: Session, stream: str) -> int:
        """Answer the number up to which a stream may be forgotten."""
        if stream == PUSH:
            return int(await connection.fetchval(PUSH_FLOOR, self._window_s))
        partition = int(stream.removeprefix("events:"))
        slowest = await connection.fetchval(FLOORS, partition, self._groups)
        return int(slowest or 0)

    async def _trim(self, connection: Session) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._trim_at:
            return
        self._trim_at = now + TRIM_S
        for stream in [PUSH, *(events_stream(p) for p in range(self._partitions))]:
            await self._bus.trim(stream, await self._floor(connection, stream))

    def _mark_down(self, error: BusError) -> None:
        telemetry.BUS_ERRORS.inc()
        log.warning("the streams are behind until the server answers again", error=str(error))
        self._down_until = asyncio.get_running_loop().time() + DOWN_S


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
