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

LEASE: Final = timedelta(seconds=15)
LANES: Final = 2
IDLE_S: Final = 30.0
GRACE_S: Final = 1.5  # then `bus.tasks.cancel` would ask again
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
        self._senders = senders
        self._deliveries = Deliveries()
        self._batches = EmailBatches()
        self._channels = [channel for sender in senders for channel in sender.channels]
        self._breakers = {one.provider: Breaker(one.provider) for one in self._channels}

    async def run(self) -> None:
        """Send for ever; when cancelled, what is under way may end."""
        lanes = [
            (lane, spawn(self._ride(lane), name=f"sending {sender.channels[0].kind}"))
            for sender in self._senders
            for lane in self._lanes(sender)
        ]
        beat = spawn(self._keep([lane for lane, _ in lanes]), name="leases of deliveries")
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await _drain([lane for lane, _ in lanes])
            finally:  # whoever is impatient cancels again
                await cancel(beat, *(task for _, task in lanes))
                for channel in self._channels:
                    await channel.close()

    def _lanes(self, sender: Sender) -> list[Lane]:
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
            while not cancelled():
                if await self._listener.wait_for(lane.due, IDLE_S):
                    await lane.turn()

        await forever(work, name="sending", pause_s=PAUSE_S)

    async def _keep(self, lanes: Sequence[Lane]) -> None:
        """Renew the leases of what our lanes work on, and take over what was left behind, also by a lane."""
        waiting = list(self._breakers.values())
        kinds = {one.kind for one in self._channels}
        keyed = {one.provider for one in self._channels if one.keyed}
        batching = {one.provider for one in self._channels if isinstance(one, BatchChannel)}
        tidied: datetime | None = None

        async def beat() -> None:
            nonlocal tidied
            now = self._clock.now()
            held = [one for lane in lanes for one in lane.held]
            batches = [one for lane in lanes for one in lane.batches]
            await self._deliveries.renew(self._pool, self._worker, held, now, self._lease)
            await self._batches.renew(self._pool, self._worker, batches, self._lease.total_seconds())
            await self._deliveries.recover(self._pool, now, channels=kinds, keyed=keyed, batching=batching)
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
        await self._deliveries.give_up(self._pool, now, channels=kinds, providers=mine, before=before)
        if "email" in kinds:
            await self._batches.give_up(self._pool, now, providers=mine, before=before)


def way(channel: Channel, breaker: Breaker, parts: LaneParts) -> Way:
    """How a lane sends through this provider."""
    if isinstance(channel, BatchChannel):
        return BatchWay(channel, breaker, parts)
    return SetWay(channel, breaker, parts)


async def _drain(lanes: Sequence[Lane]) -> None:
    """Let calls that are under way end, for a while: without a key nobody could say what they did."""
    for lane in lanes:
        lane.end()
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            for lane in lanes:
                await lane.idle.wait()
