"""Owns when a provider is left alone: after repeated failures, when it asks for it, or when it refuses us."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from bus import telemetry
from routing.channels.base import Outcome
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    EndpointBusyError,
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
PAUSING: Final = (ChannelMisconfiguredError, QuotaExceededError)
"""Nothing more is sent for a while; whether the provider is well they do not say."""


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
        gate = await self._providers.gate(source, self._provider, now, rest=self._rest, probe=PROBE)
        telemetry.PROVIDER_SHUT.labels(self._provider).set(not gate.open)
        return gate

    async def give_back(self, source: Source) -> None:
        """There was nothing to try with."""
        await self._providers.end_probe(source, self._provider)

    async def succeeded(self, source: Source) -> None:
        await self._providers.succeeded(source, self._provider)

    async def judge(
        self,
        source: Source,
        came: Sequence[Outcome],
        now: datetime,
        gate: Gate,
        *,
        before: Sequence[Outcome] = (),
    ) -> None:
        """Draw the consequence of what came of calls made through a gate; `before` came of the same ones.

        A refusal of one message says that the provider is well, and so does one success among failures.
        """
        for kind in PAUSING:
            if those := [one for one in came if isinstance(one, kind)]:
                await self._pause(source, those[0], now)
                return
        failed = [one for one in came if _counts(one)]
        known = [one for one in (*before, *came) if not isinstance(one, PAUSING)]
        well = not all(map(_counts, known))
        if failed and not well:
            await self._count(source, failed[0], len(failed), now)
        elif came and well and (gate.troubled or any(map(_counts, before))):
            await self.succeeded(source)

    async def _pause(self, source: Source, error: Outcome, now: datetime) -> None:
        if isinstance(error, ChannelMisconfiguredError):
            reason = f"{MISCONFIGURED}: {error}"
            await self._providers.pause(source, self._provider, now + AGAIN, reason)
            log.error("a channel is misconfigured, and waits", provider=self._provider, error=str(error))
        elif isinstance(error, QuotaExceededError):
            until = now + (error.retry_after or timedelta(seconds=1))
            await self._providers.pause(source, self._provider, until, f"quota: {error}")
            log.warning("a provider takes nothing more", provider=self._provider, until=str(until))

    async def _count(self, source: Source, error: Outcome, count: int, now: datetime) -> None:
        reason, most = str(error), self._failures
        if await self._providers.failed(source, self._provider, now, reason, count=count, most=most):
            log.error("a provider fails, and is left alone", provider=self._provider, error=reason)


def _counts(one: Outcome) -> bool:
    """Whether it speaks against the provider as a whole."""
    if isinstance(one, EndpointBusyError):
        return False
    return isinstance(one, TransientDeliveryError | AmbiguousDeliveryError)
