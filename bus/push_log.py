"""Owns the gateway's end of the push stream: every entry from now on, in order, once, without a gap."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from bus import telemetry
from bus.base import PUSH, Bus, BusError, PushEntry
from bus.log import RelayLog
from bus.pace import Pace
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
        self._pace = Pace()
        self._say_away = Seldom(log)
        self._say_gap = Seldom(log)
        self.position: int | None = None
        """The number of the last entry delivered; None until the tail has begun."""
        self._last: PushEntry | None = None
        self.caught_up = asyncio.Event()
        """Set when everything is delivered that was there when the tail began."""

    async def run(self, deliver: Deliver, begin: Begin = lambda _: None) -> None:
        """Deliver for ever; run it as a background task.

        What comes first is as old as the window. `begin` is told which number the next entry follows: at the
        start, and whenever the log was put back from a backup. `deliver` must not raise.
        """

        async def follow() -> None:
            if (position := self.position) is None:
                position = self._begin_at(await self._log.push_floor(self._window_s), begin)
            elif not await self._is_ours():
                position = await self._begin_anew(begin)
            head = await self._log.head(PUSH)
            while True:
                if position >= head:
                    self.caught_up.set()
                entries = await self._next(position)
                if await self._is_elsewhere(entries, position):
                    position = head = await self._begin_anew(begin)
                elif entries:
                    self._observe(entries)
                    deliver(entries)
                    self._last = entries[-1]
                    position = self.position = self._last.seq
                    if pause := self._pace.pause_s(len(entries), time.monotonic()):
                        await asyncio.sleep(pause)

        await forever(follow, name="push tail", pause_s=PAUSE_S)

    async def _is_elsewhere(self, entries: Sequence[PushEntry], position: int) -> bool:
        """Say whether the log was put back from a backup: its entries do not follow our position."""
        if entries:
            return entries[0].prev != position
        return await self._log.head(PUSH) < position

    async def _is_ours(self) -> bool:
        """Say whether the log still has what was delivered last, after a time without the database.

        It may have been put back from a backup and have grown beyond our position since. What makes up an
        entry may change when a person is erased; its place and its instant do not.
        """
        if self._last is None:
            return True
        ours = self._last
        found = await self._logged(ours.seq - 1, 1)
        return [(one.seq, one.prev, one.accepted) for one in found] == [(ours.seq, ours.prev, ours.accepted)]

    async def _begin_anew(self, begin: Begin) -> int:
        head = await self._log.head(PUSH)
        log.error("the log has another history: begun anew at its end", position=self.position, head=head)
        self._away.note()  # the stream may hold the old history until the relay has looked at it
        return self._begin_at(head, begin)

    def _begin_at(self, position: int, begin: Begin) -> int:
        self.position, self._last = position, None
        telemetry.PUSH_SEQ.set(position)
        begin(position)
        return position

    async def _next(self, position: int) -> list[PushEntry]:
        """Answer what follows a position; nothing when there was nothing for a while."""
        if self._away.now():
            await asyncio.sleep(PAUSE_S)
            return await self._logged(position)
        try:
            entries = await self._bus.read_push(position, count=BATCH, block_ms=BLOCK_MS)
        except BusError as error:
            self._away.note()
            self._say_away("the gateway reads the log itself", error=str(error))
            return await self._logged(position)
        if not entries:  # it may be nobody's turn, or nobody who can write to the stream
            return await self._logged(position)
        if entries[0].prev != position:
            telemetry.PUSH_GAPS.inc()
            self._say_gap("a gap is filled from the log", after=position, found=entries[0].seq)
            return await self._logged(position)
        return unbroken(entries, position)

    async def _logged(self, after: int, limit: int = BATCH) -> list[PushEntry]:
        return [PushEntry.from_entry(entry) for entry in await self._log.push(after, limit)]

    def _observe(self, entries: Sequence[PushEntry]) -> None:
        telemetry.PUSH_SEQ.set(entries[-1].seq)
        if not self.caught_up.is_set():
            return
        # The event that waited longest speaks for all that came with it; words to obey bear no time.
        times = (int(entry.accepted) for entry in entries if entry.accepted and entry.accepted.isdigit())
        if (accepted_ms := next(times, None)) is not None:
            telemetry.PUSH_LAG.observe(max(0.0, time.time() - accepted_ms / 1000))
