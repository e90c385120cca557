"""Owns one lane of sending: what is due is sent when its provider is ready, and the outcome noted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from routing.backoff import A_DAY, DELIVERIES, next_attempt
from routing.breaker import Breaker
from routing.channels.base import KEYLESS, Channel, Receipt
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
)
from routing.limits import Limits
from routing.preparing import Prepared, Preparing
from schemas.clock import Clock
from schemas.db import Connection, Pool
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Delivery, Outcome, Wait
from schemas.store.endpoints import Endpoints

log = structlog.get_logger(__name__)

SHUT_S: Final = 1.0
MISSED_S: Final = 0.05
GAVE_UP: Final = "gave_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneParts:
    """What the lanes of one channel share."""

    owner: str
    """The dispatcher's name, unique among all."""
    pool: Pool
    clock: Clock
    preparing: Preparing
    limits: Limits
    breaker: Breaker
    lease: timedelta


class Lane:
    """Sends one thing after the other; several run side by side, here and in other processes."""

    def __init__(self, channel: Channel, parts: LaneParts) -> None:
        self.ending = False
        """No other call is begun."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.held: list[UUID] = []
        """Deliveries it works on: their leases are renewed, and no others."""
        self.batch: UUID | None = None
        self._channel = channel
        self._parts = parts
        self._deliveries = Deliveries()
        self._endpoints = Endpoints()
        self._consent = ConsentLedger()

    async def due(self) -> bool:
        return await self._deliveries.due(self._parts.pool, self._channel.kind, self._parts.clock.now())

    async def turn(self) -> None:
        """Send what is due, as soon as the provider may be called."""
        parts = self._parts
        gate = await parts.breaker.admit(parts.pool, parts.clock.now())
        if not gate.open or self.ending:
            await asyncio.sleep(SHUT_S)
            return
        await self._token()
        self.idle.clear()
        try:
            called = not self.ending and await self._work()
        finally:
            self.held, self.batch = [], None
            self.idle.set()
        if called:
            await parts.limits.heed(parts.pool, self._channel.pace)
            return
        await parts.limits.give_back(parts.pool)
        if gate.probe:
            await parts.breaker.give_back(parts.pool)
        await asyncio.sleep(MISSED_S)  # somebody else was quicker

    async def _token(self) -> None:
        """Wait until another call may be made."""
        while wait := await self._parts.limits.take(self._parts.pool, self._channel.pace):  # noqa: ASYNC110
            await asyncio.sleep(wait)

    async def _work(self) -> bool:
        """Make at most one call; False if it came to none."""
        raise NotImplementedError

    async def _retire(self, tx: Connection, address: str, error: EndpointGoneError, now: datetime) -> None:
        kind = self._channel.kind
        await self._endpoints.retire_address(tx, kind, address, error.outcome)
        entry = NewConsent(
            channel=kind, address=address, allowed=False, source=error.outcome, detail=str(error)
        )
        await self._consent.add(tx, entry, now)

    async def _put_back(
        self, tx: Connection, owner: str, deliveries: Sequence[Delivery], error: DeliveryError, now: datetime
    ) -> None:
        """What was surely not taken is decided about anew when its time has come again."""
        if isinstance(error, QuotaExceededError | ChannelMisconfiguredError):
            ids = [one.id for one in deliveries]
            await self._deliveries.note(
                tx, owner, ids, now, outcome=error.outcome, detail=str(error), counted=False
            )
            until = now + error.retry_after if error.retry_after else now
            waits = [Wait(id=one, until=until, reason=error.outcome) for one in ids]
            await self._deliveries.postpone(tx, owner, waits, now)
            return
        outcomes = [self._failed(one, error, now) for one in deliveries]
        await self._deliveries.finish(tx, owner, outcomes, now)

    def _failed(self, delivery: Delivery, error: DeliveryError, now: datetime) -> Outcome:
        """What becomes of a delivery after an error of its own or of the provider."""
        status, reason, due_at = "failed", error.outcome, None
        match error:
            case MessageRejectedError():
                pass
            case AmbiguousDeliveryError() if delivery.channel in KEYLESS or not error.repeatable:
                status = "unknown"
            case _ if now >= (last := delivery.created_at + A_DAY):
                reason = GAVE_UP
            case _:
                status = "queued"
                due_at = next_attempt(DELIVERIES, delivery.attempts + 1, now, last, error.retry_after)
        return self._outcome(delivery.id, status, error, reason=reason, due_at=due_at)

    def _outcome(
        self,
        delivery: UUID,
        status: str,
        came: DeliveryError | Receipt,
        *,
        reason: str | None = None,
        due_at: datetime | None = None,
    ) -> Outcome:
        error = came if isinstance(came, DeliveryError) else None
        return Outcome(
            id=delivery,
            status=status,
            outcome=error.outcome if error else "accepted",
            detail=str(error) if error else None,
            reason=reason,
            due_at=due_at,
            provider=self._channel.provider,
            provider_ref=came.ref if isinstance(came, Receipt) else None,
        )


class SingleLane(Lane):
    """Sends messages one by one; `sending` was committed before the call."""

    async def _work(self) -> bool:
        parts, now = self._parts, self._parts.clock.now()
        claimed = await self._deliveries.claim(
            parts.pool, parts.owner, self._channel.kind, now, lease=parts.lease, limit=1
        )
        if not claimed:
            return False
        self.held = [one.id for one in claimed]
        async with parts.pool.acquire() as tx, tx.transaction():
            ready = await parts.preparing.prepare(tx, parts.owner, claimed, now)
        for one in ready:
            await self._send(one)
        return bool(ready)

    async def _send(self, one: Prepared) -> None:
        came: Receipt | DeliveryError
        try:
            came = await self._channel.send(one.message, one.endpoint, key=str(one.delivery.id))
        except DeliveryError as error:
            came = error
        parts, now = self._parts, self._parts.clock.now()
        async with parts.pool.acquire() as tx, tx.transaction():
            if isinstance(came, Receipt):
                done = self._outcome(one.delivery.id, "sent", came)
                await self._deliveries.finish(tx, parts.owner, [done], now)
                await self._endpoints.used(tx, [one.endpoint.id], now)
            else:
                await self._put_back(tx, parts.owner, [one.delivery], came, now)
            if isinstance(came, EndpointGoneError):
                await self._retire(tx, one.endpoint.address, came, now)
        if isinstance(came, Receipt):
            await parts.breaker.succeeded(parts.pool)
        else:
            await parts.breaker.failed(parts.pool, came, now)
