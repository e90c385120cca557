"""Owns the gateway's end of the push stream: every entry from now on, in order, once, without a gap."""

import asyncio
import time
from collections.abc import Callable, Sequence
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

Deliver = Callable[[Sequence[PushEntry]], None]
Begin = Callable[[int], None]


class PushTail:
    """Follows the push stream; what the stream lost is read from the log in PostgreSQL."""

    def __init__(self, bus: Bus, pool: Pool, *, window_s: float = 0.0) -> None:
        self._bus = bus
        self._log = RelayLog(pool)
        self._window_s = window_s
        self._away = Away()
        self._say_away = Seldom(log)
        self._say_gap = Seldom(log)
        self.position: int | None = None
        """The number of the last entry delivered; None until the tail has begun."""
        self.caught_up = asyncio.Event()
        """Set when everything is delivered that was there when the tail began."""

    async def run(self, deliver: Deliver, begin: Begin = lambda _: None) -> None:
        """Deliver for ever; run it as a background task.

        What comes first is as old as the window. `begin` is told which number the next entry follows: at the
        start, and whenever the log was put back from a backup. `deliver` must not raise.
        """

        async def follow() -> None:
            head = await self._log.head(PUSH)
            if self.position is None:
                self.position = await self._log.push_floor(self._window_s)
                begin(self.position)
            while True:
                if self.position >= head:
                    self.caught_up.set()
                entries = await self._next(self.position)
                if entries:
                    self._observe(entries)
                    deliver([PushEntry.from_entry(entry) for entry in entries])
                    self.position = entries[-1].seq
                elif (now := await self._log.head(PUSH)) < self.position:
                    log.error("the log ends before this gateway's position", position=self.position, head=now)
                    self.position = now
                    begin(now)

        await forever(follow, name="push tail", pause_s=PAUSE_S)

    async def _next(self, position: int) -> list[Entry]:
        """Answer what follows a position; nothing when there was nothing for a while."""
        if self._away.now():
            await asyncio.sleep(PAUSE_S)
            return await self._log.push(position, BATCH)
        try:
            entries = await self._bus.read(PUSH, position, count=BATCH, block_ms=BLOCK_MS)
        except BusError as error:
            self._away.note()
            self._say_away("the gateway reads the log itself", error=str(error))
            return await self._log.push(position, BATCH)
        if not entries:  # it may be nobody's turn, or nobody who can write to the stream
            return await self._log.push(position, BATCH)
        if entries[0].prev != position:
            telemetry.PUSH_GAPS.inc()
            self._say_gap("a gap is filled from the log", after=position, found=entries[0].seq)
            return await self._log.push(position, BATCH)
        return unbroken(entries, position)

    def _observe(self, entries: Sequence[Entry]) -> None:
        telemetry.PUSH_SEQ.set(entries[-1].seq)
        if not self.caught_up.is_set():
            return
        now = time.time()
        for entry in entries:
            for name, value in entry.fields[:1]:
                if name == b"at":
                    telemetry.PUSH_LAG.observe(max(0.0, now - int(value) / 1000))
