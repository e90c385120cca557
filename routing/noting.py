"""Owns how answers come on record: kept until they are committed, whatever the database does meanwhile."""

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from routing.breaker import Breaker
from routing.channels.base import Channel, Receipt
from routing.channels.base import Outcome as Came
from routing.errors import (
    AddressMovedError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    OptedOutError,
)
from routing.preparing import Prepared
from routing.ways import A_MOMENT, LaneParts, Way
from schemas.db import RETRYABLE, Connection
from schemas.store.deliveries import Outcome
from schemas.store.digests import Digests
from schemas.store.providers import Gate

log = structlog.get_logger(__name__)

OF_ADDRESS: Final = (EndpointBusyError, AddressMovedError, EndpointGoneError, OptedOutError)
"""What one message has found out about an address holds for all that wait for it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a message, and what that makes of its delivery."""

    one: Prepared
    what: Came
    outcome: Outcome
    called: bool = True
    """Whether the provider said so of this very message, and not of the one before it."""


class NotingWay(Way):
    """Keeps what came of the calls of a set until it is on record."""

    def __init__(self, channel: Channel, breaker: Breaker, parts: LaneParts) -> None:
        super().__init__(channel, breaker, parts)
        self._came: list[Answer] = []
        self._before: list[Came] = []
        """What came of the same set, and is on record."""
        self._digests = Digests()

    def _answered(self, one: Prepared, what: Came) -> None:
        now = self._parts.clock.now()
        if isinstance(what, Receipt):
            self._came_after(now - one.delivery.due_at)
            outcome = self._outcome(one.delivery.id, "sent", what)
        else:
            outcome = self._put_back(one.delivery, what, now)
        self._came.append(Answer(one, what, outcome))

    def _known(self, one: Prepared, error: DeliveryError) -> None:
        """Nobody called for it: what is known of its address was said of the message before."""
        ended = isinstance(error, MessageRejectedError)
        if ended:
            self._count_unsent("failed", error.outcome)
        wait = error.retry_after or (A_MOMENT if isinstance(error, EndpointBusyError) else timedelta())
        outcome = Outcome(
            id=one.delivery.id,
            status="failed" if ended else "queued",
            outcome=error.outcome,
            detail=str(error),
            reason=error.outcome,
            due_at=None if ended else self._parts.clock.now() + wait,
            counted=False,
        )
        self._came.append(Answer(one, error, outcome, called=False))

    async def _note(self, gate: Gate) -> None:
        """Put on record what came; calls that are under way go on, however long that takes."""
        while some := self._came[:]:
            if not await self._insist(partial(self._put, some)):
                return
            del self._came[: len(some)]
            told = _told(some)
            await self._retire({to: what for to, what in told.items() if isinstance(what, EndpointGoneError)})
            await self._judge([one.what for one in some if one.called], gate)

    async def _put(self, some: Collection[Answer]) -> None:
        """Put them on record, and by themselves if something is wrong with one of them."""
        try:
            await self._settle(some)
        except RETRYABLE:
            raise
        except Exception as error:  # noqa: BLE001  it is said, and its neighbours are not to blame
            if len(some) > 1:
                for one in some:
                    await self._put([one])
                return
            named = {"deliveries": [str(one.outcome.id) for one in some], "error": type(error).__name__}
            log.error("what came of a call cannot be put on record", **named)  # noqa: TRY400  it shows content
            self.held = {*self.held} - {one.outcome.id for one in some}

    async def _settle(self, some: Collection[Answer]) -> None:
        parts, now = self._parts, self._parts.clock.now()
        outcomes = [one.outcome for one in some]
        told = {to: what for to, what in _told(some).items() if not isinstance(what, EndpointGoneError)}
        async with AsyncExitStack() as stack:
            tx = await stack.enter_async_context(parts.pool.acquire())
            if told:
                await stack.enter_async_context(tx.transaction())
            kept = await self._deliveries.finish(tx, parts.owner, outcomes, now)
            for address in sorted(told):  # in order: another lane may hear of the same ones
                await self._heed(tx, address, told[address], now)
        self.held = {*self.held} - {one.id for one in outcomes}
        self._tell_lost([one for one in outcomes if one.id not in kept])

    def _tell_lost(self, lost: Sequence[Outcome]) -> None:
        """Whoever recovered them knows nothing of what came: nobody else will say it."""
        if lost:
            came = {str(one.id): one.outcome for one in lost}
            log.warning(
                "what came of calls is lost: others have their deliveries",
                provider=self.channel.provider,
                deliveries=came,
            )

    async def _judge(self, came: list[Came], gate: Gate) -> None:
        """What it says of the provider may be lost; the calls under way may not."""
        before, self._before = self._before, [*self._before, *came]
        parts = self._parts
        try:
            await self.breaker.judge(parts.pool, came, parts.clock.now(), gate, before=before)
        except RETRYABLE as error:
            self._say("nobody has judged a provider", error=type(error).__name__)
        except Exception:
            log.exception("a provider cannot be judged", provider=self.channel.provider)

    async def _heed(self, tx: Connection, address: str, error: DeliveryError, now: datetime) -> None:
        kind = self.channel.kind
        match error:
            case OptedOutError():
                await self._forbid(tx, address, "keyword", error, now)
            case AddressMovedError():
                await self._consent.follow(tx, kind, address, error.address, now)
                await self._endpoints.move(tx, kind, address, error.address)
                await self._digests.follow(tx, kind, address, error.address)
                await self._deliveries.readdress(tx, kind, address, error.address)
            case _:
                until = now + (error.retry_after or A_MOMENT)
                await self._deliveries.put_off(tx, kind, address, until, now)


def _told(some: Collection[Answer]) -> dict[str, DeliveryError]:
    """What providers said of addresses."""
    return {
        one.one.endpoint.address: one.what for one in some if one.called and isinstance(one.what, OF_ADDRESS)
    }
