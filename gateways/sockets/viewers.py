"""Owns how many people watch each live stream here, and who hears of the total over all gateways."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from bus.signals import Signals
from bus.tasks import spawn
from bus.viewers import ViewerCounts


@dataclass(slots=True, eq=False)
class _Stream:
    users: Counter[str] = field(default_factory=Counter)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    version: int = 0
    counted: int = -1
    """The version that `total` is about."""
    total: int = 0
    told: int = 0
    changed: bool = False
    telling: bool = False


class Viewers:
    """A person counts once per gateway, however many sockets they watch with."""

    def __init__(self, counts: ViewerCounts, signals: Signals, *, interval: float) -> None:
        self._counts = counts
        self._signals = signals
        self._interval = interval
        self._streams: dict[str, _Stream] = {}

    async def join(self, stream_id: str, user: str) -> int:
        """Count a socket of a user in; answers the total."""
        self._change(stream_id, user, 1)
        return await self._total(stream_id)

    async def leave(self, stream_id: str, user: str) -> int:
        """Count a socket of a user out; answers the total."""
        self._change(stream_id, user, -1)
        return await self._total(stream_id)

    async def count(self, stream_id: str) -> int:
        """The total, with nobody coming or going."""
        self._touch(stream_id)
        return await self._total(stream_id)

    def gone(self, stream_ids: Iterable[str], user: str) -> None:
        """Count a socket out that is gone."""
        for stream_id in stream_ids:
            self._change(stream_id, user, -1)

    def _change(self, stream_id: str, user: str, by: int) -> None:
        stream = self._touch(stream_id)
        stream.changed = True
        stream.users[user] += by
        if stream.users[user] <= 0:
            del stream.users[user]

    def _touch(self, stream_id: str) -> _Stream:
        stream = self._streams.setdefault(stream_id, _Stream())
        stream.version += 1
        if not stream.telling:
            stream.telling = True
            spawn(self._tell(stream_id, stream), name="viewer count")
        return stream

    async def _total(self, stream_id: str) -> int:
        stream = self._streams[stream_id]
        asked = stream.version
        # One question at a time, or an older count could overwrite a newer one. Who waited behind
        # another finds the answer already there.
        async with stream.asking:
            if stream.counted < asked:
                version = stream.version
                stream.total = await self._counts.set(stream_id, len(stream.users))
                stream.counted = version
            return stream.total

    async def _tell(self, stream_id: str, stream: _Stream) -> None:
        """Signal each new total, with a pause after each; ends when nothing changed meanwhile."""
        version = -1
        while version != stream.version:
            version = stream.version
            total = await self._total(stream_id)
            if stream.changed and total != stream.told:
                stream.told = total
                data = {"stream_id": stream_id, "count": total}
                await self._signals.publish("/live", [f"live:{stream_id}"], "live.viewers", data)
            await asyncio.sleep(self._interval)
        stream.telling = False
        if not stream.users:
            del self._streams[stream_id]
