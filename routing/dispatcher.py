"""Owns sending: claims deliveries whose time has come, decides again, calls the provider, notes the outcome.

Any number of dispatchers share the work by leases; what one leaves behind another takes over. Where the
provider knows a key, a repeat is taken once; where it does not, what may have been taken becomes `unknown`.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus import telemetry
from bus.tasks import cancel, cancelled, forever, spawn
from routing.batch_ways import BatchWay
from routing.breaker import Breaker
from routing.channels.base import BatchChannel, Channel, Writer
from routing.lanes import Lane
from routing.preparing import Preparing
from routing.retelling import Tellings
from routing.set_ways import SetWay
from routing.ways import LaneParts, Way
from schemas.clock import Clock
from schemas.db import Pool
from schemas.listen import Listener
from schemas.store.deliveries import Deliveries
from schemas.store.email_batches import EmailBatches

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(seconds=15)
LANES: Final = 2
IDLE_S: Final = 30.0
DRAIN_S: Final = 30.0
"""So long calls may go on that are under way when `end` is asked for: as long as any may take."""
GRACE_S: Final = 1.5  # of who is cancelled at once; then `bus.tasks.cancel` would ask again
PAUSE_S: Final = 1.0
TIDY: Final = timedelta(hours=1)
REMOVED: Final = timedelta(days=1)
"""A provider that was away for so long does not come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The providers of one channel in order of preference, and how things read on it.

    A lane uses the first that may be called. What one of them may have taken never goes to another.
    """

    channels: tuple[Channel, ...]
    writer: Writer
    lanes: int = LANES


class Dispatcher:
    """Runs beside the groups, in any number of processes."""

    def __init__(
        self,
        senders: Sequence[Sender],
        *,
        worker: str,
        pool: Pool,
        listener: Listener,
        tellings: Tellings,
        clock: Clock,
        lease: timedelta = LEASE,
    ) -> None:
        self._worker = worker
        self._pool = pool
        self._listener = listener
        self._tellings = tellings
        self._clock = clock
        self._lease = lease
        self._deliveries = Deliveries()
        self._batches = EmailBatches()
        self._channels = [channel for sender in senders for channel in sender.channels]
        self._breakers = {one.provider: Breaker(one.provider) for one in self._channels}
        self._lanes = [lane for sender in senders for lane in self._made(sender)]

    async def run(self) -> None:
        """Send for ever; when cancelled, what is under way may end within a moment: see `end`."""
        rides = [spawn(self._ride(lane), name=f"sending {lane.kind}") for lane in self._lanes]
        beat = spawn(self._keep(), name="leases of deliveries")
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await self._drain(GRACE_S)
            finally:  # whoever is impatient cancels again
                await cancel(beat, *rides)
                for channel in self._channels:
                    await channel.close()

    async def end(self) -> None:
        """Begin no other call, and let those under way end; `run`, which keeps them ours, is ended after.

        Who asks again does not wait again.
        """
        if all(lane.ending for lane in self._lanes):
            return
        if busy := await self._drain(DRAIN_S):
            log.warning("calls did not end, and are cut", lanes=busy)

    async def _drain(self, within_s: float) -> int:
        """Answer in how many lanes a call must be cut: without a key nobody could say what it did."""
        for lane in self._lanes:
            lane.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                for lane in self._lanes:
                    await lane.idle.wait()
        return sum(not lane.idle.is_set() for lane in self._lanes)

    def _made(self, sender: Sender) -> list[Lane]:
        parts = LaneParts(
            owner=self._worker,
            pool=self._pool,
            clock=self._clock,
            preparing=Preparing(self._tellings, sender.writer),
            lease=self._lease,
        )
        return [
            Lane([way(one, self._breakers[one.provider], parts) for one in sender.channels], parts)
            for _ in range(sender.lanes)
        ]

    async def _ride(self, lane: Lane) -> None:
        async def work() -> None:
            while not (cancelled() or lane.ending):
                if await self._listener.wait_for(lane.due, IDLE_S):
                    await lane.turn()

        await forever(work, name="sending", pause_s=PAUSE_S)

    async def _keep(self) -> None:
        """Renew the leases of what our lanes work on, and take over what was left behind, also by a lane."""
        waiting = list(self._breakers.values())
        kinds = {one.kind for one in self._channels}
        keyed = {one.provider for one in self._channels if one.keyed}
        batching = {one.provider for one in self._channels if isinstance(one, BatchChannel)}
        tidied: datetime | None = None

        async def beat() -> None:
            nonlocal tidied
            now = self._clock.now()
            held = [one for lane in self._lanes for one in lane.held]
            batches = [one for lane in self._lanes for one in lane.batches]
            await self._deliveries.renew(self._pool, self._worker, held, now, self._lease)
            await self._batches.renew(self._pool, self._worker, batches, self._lease.total_seconds())
            for one in await self._deliveries.recover(
                self._pool, now, channels=kinds, keyed=keyed, batching=batching
            ):
                if one.status == "unknown":
                    telemetry.UNSENT.labels(one.channel, one.status, one.reason).inc()
            if tidied is None or now - tidied >= TIDY:
                await self._give_up(now, kinds)
                tidied = now
            while waiting:
                await waiting[-1].begin(self._pool)
                waiting.pop()

        await forever(beat, name="leases of deliveries", pause_s=self._lease.total_seconds() / 3)

    async def _give_up(self, now: datetime, kinds: Collection[str]) -> None:
        """Nobody here will ever call a provider that is not configured: what waits for one is let go."""
        mine = {one.provider for one in self._channels}
        before = now - REMOVED
        for channel in await self._deliveries.give_up(
            self._pool, now, channels=kinds, providers=mine, before=before
        ):
            telemetry.UNSENT.labels(channel, "unknown", "provider_removed").inc()
        if "email" in kinds:
            lost = await self._batches.give_up(self._pool, now, providers=mine, before=before)
            telemetry.UNSENT.labels("email", "unknown", "provider_removed").inc(lost)


def way(channel: Channel, breaker: Breaker, parts: LaneParts) -> Way:
    """How a lane sends through this provider."""
    if isinstance(channel, BatchChannel):
        return BatchWay(channel, breaker, parts)
    return SetWay(channel, breaker, parts)
