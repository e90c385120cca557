"""Owns viewer counts across gateways: each gateway's own count, kept for a minute unless renewed."""

import asyncio
import logging
from typing import Final
from weakref import WeakValueDictionary

import structlog

from bus import telemetry
from bus.base import Bus, BusError
from bus.seldom import Seldom
from bus.tasks import forever

log = structlog.get_logger(__name__)

KEPT_S: Final = 60.0


class ViewerCounts:
    """The counts of one gateway, and the sums over all of them."""

    def __init__(self, bus: Bus, gateway: str) -> None:
        self._bus = bus
        self._gateway = gateway
        self._mine: dict[str, int] = {}
        self._say_alone = Seldom(log, level=logging.INFO)
        # Of one stream, one count at a time is on its way; a lock lives as long as somebody uses it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def set(self, stream_id: str, count: int) -> int:
        """Note this gateway's viewers of a stream; answers all gateways' (ours alone if Redis is away)."""
        if count:
            self._mine[stream_id] = count
        else:
            self._mine.pop(stream_id, None)
        async with self._lock(stream_id):
            return await self._write(stream_id)

    async def renew(self) -> None:
        """Write this gateway's counts again, those that are still there when their turn comes."""
        for stream_id in tuple(self._mine):
            async with self._lock(stream_id):
                if stream_id in self._mine:
                    await self._write(stream_id)

    def _lock(self, stream_id: str) -> asyncio.Lock:
        return self._locks.setdefault(stream_id, asyncio.Lock())

    async def _write(self, stream_id: str) -> int:
        """Write the count as it is now, not as it was when somebody began to wait."""
        count = self._mine.get(stream_id, 0)
        try:
            return await self._bus.count(f"viewers:{stream_id}", self._gateway, count, KEPT_S)
        except BusError as error:
            telemetry.BUS_ERRORS.inc()
            self._say_alone("other gateways' viewers are not known", error=str(error))
            return count

    async def run(self) -> None:
        """Renew this gateway's counts for ever, so that only a dead gateway's run out."""
        await forever(self.renew, name="viewer counts", pause_s=KEPT_S / 3)
