"""Owns what all ways to send have in common: tokens, what an error does to a delivery, retired addresses."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from bus import telemetry
from bus.seldom import Seldom
from bus.tasks import cancelled
from routing.backoff import A_DAY, DELIVERIES, QUOTAS, next_attempt
from routing.breaker import Breaker
from routing.channels.base import Channel, Receipt
from routing.channels.base import Outcome as Came
from routing.errors import (
    AddressMovedError,
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
    plain,
)
from routing.limits import Limits
from routing.preparing import Preparing
from routing.rescheduling import reschedule
from schemas.clock import Clock
from schemas.db import RETRYABLE, Connection, Pool, Source
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Delivery, Outcome
from schemas.store.endpoints import Endpoints
from schemas.store.notifications import Notifications
from schemas.store.providers import Gate

log = structlog.get_logger(__name__)

ACCEPTED: Final = "accepted"
ENDED: Final = ("failed", "unknown")
GAVE_UP: Final = "gave_up"
A_MOMENT: Final = timedelta(seconds=1)
HANDED_ON: Final = 5
"""So often it is tried again at once where another provider is next: as often as opens a breaker."""
AGAIN_S: Final = 0.2
LAST_S: Final = 1.5
"""So long a process that is to end still tries to put on record what it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneParts:
    """What the lanes of one sender share."""

    owner: str
    """The dispatcher's name, unique among all."""
    pool: Pool
    clock: Clock
    preparing: Preparing
    lease: timedelta


class Way:
    """How one lane sends through one provider."""

    def __init__(self, channel: Channel, breaker: Breaker, parts: LaneParts) -> None:
        self.ending = False
        """No other call is begun."""
        self.is_followed = False
        """Whether another provider is called when this one is left alone."""
        self.at_once = 0
        """So many attempts follow each other at once, to find one that answers, and count no more."""
        self.held: Collection[UUID] = ()
        """Deliveries it works on: their leases are renewed, and no others."""
        self.batch: UUID | None = None
        self.full = False
        """The last claim found as much as was asked for."""
        self.channel = channel
        self.breaker = breaker
        self._parts = parts
        self._say = Seldom(log)
        self._limits = Limits(channel.provider)
        self._deliveries = Deliveries()
        self._endpoints = Endpoints()
        self._consent = ConsentLedger()
        self._calls = telemetry.CALL_SECONDS.labels(channel.provider)
        self._waits = telemetry.SENT_SECONDS.labels(channel.provider)
        # From the first moment: of what has no number yet, no share can be told, and no alert either.
        self._attempts: dict[str, Counter] = {ACCEPTED: self._counter(ACCEPTED)}

    async def owes(self) -> bool:
        """Whether something must be repeated at this very provider."""
        return False

    async def tokens(self, gate: Gate) -> int:
        """Take what calls may be made now; 0 if none, and then it has not been waited for."""
        raise NotImplementedError

    async def work(self, gate: Gate, tokens: int) -> bool:
        """Send what is due; False if there was nothing to call for."""
        raise NotImplementedError

    def wait_s(self) -> float:
        """After how many seconds there may be tokens again."""
        return self._limits.wait_s(self.channel.pace)

    async def _claim(self, source: Source, now: datetime, limit: int) -> list[Delivery]:
        return await self._deliveries.claim(
            source,
            self._parts.owner,
            self.channel.kind,
            now,
            provider=self.channel.provider,
            lease=self._parts.lease,
            limit=limit,
        )

    def _came_after(self, waited: timedelta) -> None:
        self._waits.observe(waited.total_seconds())

    def _count(self, outcome: str) -> None:
        if outcome not in self._attempts:
            self._attempts[outcome] = self._counter(outcome)
        self._attempts[outcome].inc()

    def _counter(self, outcome: str) -> Counter:
        return telemetry.ATTEMPTS.labels(self.channel.kind, self.channel.provider, outcome)

    def _count_unsent(self, status: str, reason: str | None) -> None:
        if status in ENDED:
            telemetry.UNSENT.labels(self.channel.kind, status, reason).inc()

    async def _insist(self, put: Callable[[], Awaitable[None]]) -> bool:
        """Try until the database takes it, or this process has no time left."""
        began = monotonic()
        while True:
            try:
                await put()
            except RETRYABLE as error:
                self._say("what came of calls waits for the database", error=type(error).__name__)
                if cancelled() and monotonic() - began > LAST_S:
                    return False
                await asyncio.sleep(AGAIN_S)
            else:
                return True

    async def _retire(self, gone: Mapping[str, EndpointGoneError]) -> None:
        """Give up addresses; if that does not come about, the next message finds out again.

        Call it once it is on record what came: whoever waits for inboxes must hold no deliveries.
        """
        try:
            if gone:
                await self._insist(partial(self._retire_all, gone))
        except Exception as error:  # noqa: BLE001  it is said, and what came is on record
            named = {"provider": self.channel.provider, "error": type(error).__name__}
            log.error("addresses that are gone cannot be given up", **named)  # noqa: TRY400  it shows content

    async def _retire_all(self, gone: Mapping[str, EndpointGoneError]) -> None:
        """What their people gather there leaves elsewhere."""
        kind, users, now = self.channel.kind, set[str](), self._parts.clock.now()
        async with self._parts.pool.acquire() as tx, tx.transaction():
            for address in sorted(gone):
                error = gone[address]
                users.update(await self._endpoints.retire_address(tx, kind, address, error.outcome))
                await self._forbid(tx, address, error.outcome, error, now)
            if kind == "push":  # nothing is gathered for apps, whose tokens end often
                return
            await Notifications().seize(tx, *users)  # at once: `reschedule` would take them in another order
            for user in sorted(users):
                await reschedule(tx, user, self._parts.clock)

    async def _forbid(
        self, tx: Connection, address: str, source: str, error: DeliveryError, now: datetime
    ) -> None:
        entry = NewConsent(
            channel=self.channel.kind, address=address, allowed=False, source=source, detail=str(error)
        )
        await self._consent.add(tx, entry, now)

    def _put_back(self, delivery: Delivery, error: DeliveryError, now: datetime) -> Outcome:
        """What becomes of a delivery after an error of its own or of the provider."""
        match error:
            case MessageRejectedError():
                return self._outcome(delivery.id, "failed", error, reason=error.outcome)
            case QuotaExceededError() | ChannelMisconfiguredError():
                return self._again(delivery, error, self._unpaused(delivery, now), counted=False)
            case AmbiguousDeliveryError() if not (self.channel.keyed and error.repeatable):
                return self._outcome(delivery.id, "unknown", error, reason=error.outcome)
        late = now - delivery.due_at  # a pause or a queue, and no part of the day
        since = now if delivery.tried_since is None else delivery.tried_since + late
        last = since + A_DAY
        if now >= last:
            return self._outcome(delivery.id, "failed", error, reason=GAVE_UP)
        match error:
            case EndpointBusyError():
                until = now + (error.retry_after or A_MOMENT)
            case AddressMovedError() if delivery.attempts == 0:
                until = now
            case TransientDeliveryError() if self.is_followed and delivery.attempts < HANDED_ON:
                until = now + A_MOMENT
            case _:
                tried = max(1, delivery.attempts + 1 - self.at_once)
                until = next_attempt(DELIVERIES, tried, now, last, error.retry_after)
        return replace(self._again(delivery, error, until), tried_since=since)

    def _unpaused(self, delivery: Delivery, now: datetime) -> datetime:
        """The provider is paused, and not the work: another one may take it now; but not again and again."""
        if delivery.notes < (HANDED_ON if self.is_followed else 1):
            return now
        return next_attempt(QUOTAS, delivery.notes, now, now + A_DAY)

    def _again(
        self, delivery: Delivery, error: DeliveryError, until: datetime, *, counted: bool = True
    ) -> Outcome:
        """Decided about anew when its time has come again."""
        return self._outcome(
            delivery.id, "queued", error, reason=error.outcome, due_at=until, counted=counted
        )

    def _outcome(
        self,
        delivery: UUID,
        status: str,
        came: Came,
        *,
        reason: str | None = None,
        due_at: datetime | None = None,
        counted: bool = True,
    ) -> Outcome:
        error = came if isinstance(came, DeliveryError) else None
        outcome, provider = error.outcome if error else ACCEPTED, self.channel.provider
        self._count(outcome)
        self._count_unsent(status, reason)
        surely_not = status == "queued" and not isinstance(error, AmbiguousDeliveryError)
        return Outcome(
            id=delivery,
            status=status,
            outcome=outcome,
            detail=str(error) if error else None,
            reason=reason,
            due_at=due_at,
            provider=None if surely_not else provider,
            provider_ref=plain(came.ref) if isinstance(came, Receipt) else None,
            counted=counted,
        )


def unexpected(provider: str, error: Exception) -> AmbiguousDeliveryError:
    """What a channel raises that no channel may: what it did nobody knows."""
    log.error("a channel failed in a way of its own", provider=provider, exc_info=error)
    return AmbiguousDeliveryError(f"the channel failed: {type(error).__name__}")
