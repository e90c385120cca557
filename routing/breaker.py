"""Owns when a provider is left alone: after repeated failures, when it asks for it, or when it refuses us."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    QuotaExceededError,
    TransientDeliveryError,
)
from schemas.db import Source
from schemas.store.providers import Gate, Providers

log = structlog.get_logger(__name__)

FAILURES: Final = 5
REST: Final = timedelta(seconds=15)
PROBE: Final = timedelta(seconds=60)
MISCONFIGURED: Final = "misconfigured"
AGAIN: Final = timedelta(minutes=5)


class Breaker:
    """Opens after several failures in a row; then one call at a time tries whether it can be closed."""

    def __init__(self, provider: str, *, failures: int = FAILURES, rest: timedelta = REST) -> None:
        self._provider = provider
        self._failures = failures
        self._rest = rest
        self._providers = Providers()

    async def begin(self, source: Source) -> None:
        """What was misconfigured may have been set right: that is what a restart is for."""
        await self._providers.resume(source, self._provider, MISCONFIGURED)

    async def admit(self, source: Source, now: datetime) -> Gate:
        """See whether a call may be made now; whoever becomes the probe makes it, or gives it back."""
        return await self._providers.gate(source, self._provider, now, rest=self._rest, probe=PROBE)

    async def give_back(self, source: Source) -> None:
        """There was nothing to try with."""
        await self._providers.end_probe(source, self._provider)

    async def succeeded(self, source: Source) -> None:
        await self._providers.succeeded(source, self._provider)

    async def failed(self, source: Source, error: DeliveryError, now: datetime) -> None:
        """Draw the consequence; a refusal of one message says that the provider is well."""
        match error:
            case ChannelMisconfiguredError():
                reason = f"{MISCONFIGURED}: {error}"
                await self._providers.pause(source, self._provider, now + AGAIN, reason)
                log.error("a channel is misconfigured, and waits", provider=self._provider, error=str(error))
            case QuotaExceededError():
                until = now + (error.retry_after or timedelta(seconds=1))
                await self._providers.pause(source, self._provider, until, f"quota: {error}")
                log.warning("a provider takes nothing more", provider=self._provider, until=str(until))
            case TransientDeliveryError() | AmbiguousDeliveryError():
                await self._count(source, error, now)
            case _:
                await self._providers.succeeded(source, self._provider)

    async def _count(self, source: Source, error: DeliveryError, now: datetime) -> None:
        reason, most = str(error), self._failures
        if await self._providers.failed(source, self._provider, now, reason, most=most):
            log.error("a provider fails, and is left alone", provider=self._provider, error=reason)
