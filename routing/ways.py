"""Owns what all ways to send have in common: tokens, what an error does to a delivery, retired addresses."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from prometheus_client import Counter

from bus import telemetry
from routing.backoff import A_DAY, DELIVERIES, next_attempt
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
    plain,
)
from routing.limits import Limits
from routing.preparing import Preparing
from schemas.clock import Clock
from schemas.db import Connection, Pool, Source
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Delivery, Outcome
from schemas.store.endpoints import Endpoints
from schemas.store.providers import Gate

GAVE_UP: Final = "gave_up"
A_MOMENT: Final = timedelta(seconds=1)


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
        self.held: Collection[UUID] = ()
        """Deliveries it works on: their leases are renewed, and no others."""
        self.batch: UUID | None = None
        self.channel = channel
        self.breaker = breaker
        self._parts = parts
        self._limits = Limits(channel.provider)
        self._deliveries = Deliveries()
        self._endpoints = Endpoints()
        self._consent = ConsentLedger()
        self._calls = telemetry.CALL_SECONDS.labels(channel.provider)
        self._waits = telemetry.SENT_SECONDS.labels(channel.provider)
        self._attempts: dict[str, Counter] = {}

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
            labels = self.channel.kind, self.channel.provider, outcome
            self._attempts[outcome] = telemetry.ATTEMPTS.labels(*labels)
        self._attempts[outcome].inc()

    async def _retire(self, tx: Connection, address: str, error: EndpointGoneError, now: datetime) -> None:
        await self._endpoints.retire_address(tx, self.channel.kind, address, error.outcome)
        await self._forbid(tx, address, error.outcome, error, now)

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
                until = now + (error.retry_after or timedelta())
                return self._again(delivery, error, until, counted=False)
            case AmbiguousDeliveryError() if not (self.channel.keyed and error.repeatable):
                return self._outcome(delivery.id, "unknown", error, reason=error.outcome)
        last = delivery.created_at + A_DAY
        if now >= last:
            return self._outcome(delivery.id, "failed", error, reason=GAVE_UP)
        match error:
            case EndpointBusyError():
                until = now + (error.retry_after or A_MOMENT)
            case AddressMovedError() if delivery.attempts == 0:
                until = now
            case _:
                until = next_attempt(DELIVERIES, delivery.attempts + 1, now, last, error.retry_after)
        return self._again(delivery, error, until)

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
        outcome, provider = error.outcome if error else "accepted", self.channel.provider
        self._count(outcome)
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
