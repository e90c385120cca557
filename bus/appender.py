"""Owns the writers of all streams: each goes its own way, so that a server that is away delays only its own.

They work beside the relay, never in its way: a stream server that is slow, hung or away costs the numbering
nothing. What could not be appended is mended from the log later.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from bus.base import PUSH, Bus, Entry, events_stream
from bus.seldom import Seldom
from bus.stream_writer import StreamLog, StreamWriter
from bus.tasks import cancel, spawn
from schemas.db import Pool

log = structlog.get_logger(__name__)

MOST_READERS: Final = 2  # of the log: after a loss all streams are mended at once, and others need the pool


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
        say_behind, turns = Seldom(log), asyncio.Semaphore(MOST_READERS)
        self._writers = {
            stream: StreamWriter(
                bus,
                StreamLog(stream, pool, turns, groups=groups, window_s=window_s),
                heal_s=heal_s,
                say_behind=say_behind,
            )
            for stream in (PUSH, *map(events_stream, range(partitions)))
        }

    def add(self, streams: Mapping[str, Sequence[Entry]]) -> None:
        """Take entries that were just committed."""
        for stream, entries in streams.items():
            self._writers[stream].add(entries)

    async def run(self) -> None:
        """Append for ever; run it as a background task while the relay leads."""
        for writer in self._writers.values():
            writer.forget()
        writing = [spawn(writer.run(), name=f"appender of {name}") for name, writer in self._writers.items()]
        try:
            await asyncio.wait(writing)
        finally:
            await cancel(*writing)
