"""Owns sending: claims deliveries whose time has come, decides again, calls the provider, notes the outcome.

Any number of dispatchers share the work by leases; what one leaves behind another takes over. Where the
provider knows a key, a repeat is taken once; where it does not, what may have been taken becomes `unknown`.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bus.tasks import cancel, cancelled, forever, spawn
from routing.batch_lanes import BatchLane
from routing.breaker import Breaker
from routing.channels.base import KEYLESS, BatchChannel, Channel
from routing.lanes import Lane, LaneParts, SingleLane
from routing.limits import Limits
from routing.preparing import Preparing, Render
from routing.retelling import Tellings
from schemas.clock import Clock
from schemas.db import Pool
from schemas.listen import Listener
from schemas.store.deliveries import Deliveries
from schemas.store.email_batches import EmailBatches

LEASE: Final = timedelta(seconds=15)
LANES: Final = 4
IDLE_S: Final = 30.0
GRACE_S: Final = 1.5  # then `bus.tasks.cancel` would ask again
PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A channel, and how a notification reads on it."""

    channel: Channel | BatchChannel
    render: Render
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
        self._breakers = [Breaker(one.channel.provider) for one in senders]

    async def run(self) -> None:
        """Send for ever; when cancelled, what is under way may end."""
        lanes = [
            (lane, spawn(self._ride(lane), name=f"sending {sender.channel.kind}"))
            for sender, breaker in zip(self._senders, self._breakers, strict=True)
            for lane in self._lanes(sender, breaker)
        ]
        beat = spawn(self._keep([lane for lane, _ in lanes]), name="leases of deliveries")
        try:
            await asyncio.Event().wait()
        finally:
            try:
                await _drain([lane for lane, _ in lanes])
            finally:  # whoever is impatient cancels again
                await cancel(beat, *(task for _, task in lanes))
                for sender in self._senders:
                    await sender.channel.close()

    def _lanes(self, sender: Sender, breaker: Breaker) -> list[Lane]:
        parts = LaneParts(
            owner=self._worker,
            pool=self._pool,
            clock=self._clock,
            preparing=Preparing(self._tellings, sender.render),
            limits=Limits(sender.channel.provider),
            breaker=breaker,
            lease=self._lease,
        )
        return [_lane(sender.channel, parts) for _ in range(sender.lanes)]

    async def _ride(self, lane: Lane) -> None:
        async def work() -> None:
            while not cancelled():
                if await self._listener.wait_for(lane.due, IDLE_S):
                    await lane.turn()

        await forever(work, name="sending", pause_s=PAUSE_S)

    async def _keep(self, lanes: Sequence[Lane]) -> None:
        """Renew the leases of what our lanes work on, and take over what was left behind, also by a lane."""
        waiting = list(self._breakers)

        async def beat() -> None:
            now = self._clock.now()
            held = [one for lane in lanes for one in lane.held]
            batches = [lane.batch for lane in lanes if lane.batch]
            await self._deliveries.renew(self._pool, self._worker, held, now, self._lease)
            await self._batches.renew(self._pool, self._worker, batches, self._lease.total_seconds())
            await self._deliveries.recover(self._pool, now, KEYLESS)
            while waiting:
                await waiting[-1].begin(self._pool)
                waiting.pop()

        await forever(beat, name="leases of deliveries", pause_s=self._lease.total_seconds() / 3)


def _lane(channel: Channel | BatchChannel, parts: LaneParts) -> Lane:
    return BatchLane(channel, parts) if isinstance(channel, BatchChannel) else SingleLane(channel, parts)


async def _drain(lanes: Sequence[Lane]) -> None:
    """Let calls that are under way end, for a while: without a key nobody could say what they did."""
    for lane in lanes:
        lane.ending = True
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            for lane in lanes:
                await lane.idle.wait()
