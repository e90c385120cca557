"""Owns the gateway's end of the push stream: every entry from now on, in order, once, without a gap."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import structlog

from bus import telemetry
from bus.base import PUSH, Bus, BusError, Entry, PushEntry
from bus.log import RelayLog
from bus.seldom import Seldom
from bus.tasks import forever
from bus.worker import Away, unbroken
from schemas.db import Pool

log = structlog.get_logger(__name__)

BATCH: Final = 500
BLOCK_MS: Final = 1000
PAUSE_S: Final = 0.2


class PushTail:
    """Follows the push stream; what the stream lost is read from the log in PostgreSQL."""

    def __init__(self, bus: Bus, pool: Pool) -> None:
        self._bus = bus
        self._log = RelayLog(pool)
        self._away = Away()
        self._say_away = Seldom(log)
        self._say_gap = Seldom(log)
        self.position: int | None = None
        """The number of the last entry delivered; None until the tail has begun."""

    async def run(self, deliver: Callable[[PushEntry], None]) -> None:
        """Deliver for ever; run it as a background task."""

        async def follow() -> None:
            if self.position is None:
                self.position = await self._log.head(PUSH)
            while True:
                for entry in await self._next(self.position):
                    self._observe(entry)
                    deliver(PushEntry.from_entry(entry))
                    self.position = entry.seq

        await forever(follow, name="push tail", pause_s=PAUSE_S)

    async def _next(self, position: int) -> list[Entry]:
        if self._away.now():
            await asyncio.sleep(PAUSE_S)
            return await self._log.push(position, BATCH)
        try:
            entries = await self._bus.read(PUSH, position, count=BATCH, block_ms=BLOCK_MS)
        except BusError as error:
            self._away.note()
            self._say_away("the gateway reads the log itself", error=str(error))
            return await self._log.push(position, BATCH)
        if not entries:
            return await self._compare(position)
        if entries[0].prev != position:
            telemetry.PUSH_GAPS.inc()
            self._say_gap("a gap is filled from the log", after=position, found=entries[0].seq)
            return await self._log.push(position, BATCH)
        return unbroken(entries, position)

    async def _compare(self, position: int) -> list[Entry]:
        """Ask the log about a stream that is quiet: it may be nobody's turn, or nobody who can write to it.

        Begins anew when the log ends before our position: it was put back from a backup.
        """
        head = await self._log.head(PUSH)
        if head < position:
            log.error("the log is behind this gateway, which begins anew", position=position, head=head)
            self.position = head
        return await self._log.push(position, BATCH) if head > position else []

    def _observe(self, entry: Entry) -> None:
        telemetry.PUSH_SEQ.set(entry.seq)
        for name, value in entry.fields[:1]:
            if name == b"at":
                telemetry.PUSH_LAG.observe(max(0.0, time.time() - int(value) / 1000))
