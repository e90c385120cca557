"""Owns the Bus in memory: for tests of what is built on the port, bound by the same contract test."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bus.base import PUSH, Entry, PushEntry


@dataclass
class _Stream:
    last: int = 0
    entries: list[Entry] = field(default_factory=list)


class MemoryBus:
    """The Bus of one process; it forgets everything when the process ends."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = defaultdict(_Stream)
        self._changed = asyncio.Condition()
        self._listeners: set[asyncio.Queue[bytes]] = set()
        self._counts: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        async with self._changed:
            found = self._streams[stream]
            if found.last == last:
                found.entries.extend(entries)
                found.last = entries[-1].seq
                self._changed.notify_all()
            return found.last

    async def last(self, streams: Sequence[str]) -> list[int]:
        return [self._streams[stream].last for stream in streams]

    async def read(self, stream: str, after: int, *, count: int, block_ms: int) -> list[Entry]:
        def above() -> list[Entry]:
            return [entry for entry in self._streams[stream].entries if entry.seq > after][:count]

        try:
            async with asyncio.timeout(block_ms / 1000), self._changed:
                await self._changed.wait_for(above)
        except TimeoutError:
            return []  # a quiet stream is an answer, not a failure
        return above()

    async def read_push(self, after: int, *, count: int, block_ms: int) -> list[PushEntry]:
        entries = await self.read(PUSH, after, count=count, block_ms=block_ms)
        return [PushEntry.from_entry(entry) for entry in entries]

    async def tail(self, stream: str) -> Entry | None:
        entries = self._streams[stream].entries
        return entries[-1] if entries else None

    async def trim(self, stream: str, upto: int) -> None:
        found = self._streams[stream]
        found.entries = [entry for entry in found.entries if entry.seq > upto]

    async def drop(self, streams: Iterable[str]) -> None:
        for stream in streams:
            self._streams.pop(stream, None)

    async def signal(self, payload: bytes) -> None:
        for listener in self._listeners:
            listener.put_nowait(payload)

    @asynccontextmanager
    async def signals(self) -> AsyncIterator[AsyncIterator[bytes]]:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            yield _drain(queue)
        finally:
            self._listeners.discard(queue)

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        now, members = time.monotonic(), self._counts[name]
        members[member] = (value, now + ttl_s)
        return sum(count for count, till in members.values() if till >= now)

    async def ping(self) -> None:
        return None

    async def close(self) -> None:
        return None


async def _drain(queue: asyncio.Queue[bytes]) -> AsyncIterator[bytes]:
    while True:
        yield await queue.get()
