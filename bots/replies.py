"""Owns what the bot answers: said through the channel, at its pace, at most once."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from bus.tasks import cancelled, forever, spawn
from routing.breaker import Breaker
from routing.channels.base import Channel, Receipt
from routing.channels.telegram_text import Part, TelegramText
from routing.errors import (
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.limits import Limits
from routing.model import Endpoint
from schemas.clock import Clock
from schemas.db import Pool
from schemas.listen import Listener
from schemas.store.providers import Gate
from schemas.store.telegram_updates import DueReply, TelegramUpdates

log = structlog.get_logger(__name__)

IDLE_S: Final = 30.0
PAUSE_S: Final = 1.0
SHUT_S: Final = 1.0
AGAIN: Final = timedelta(seconds=15)
STALE: Final = timedelta(hours=1)
"""Nobody understands any more what such an answer is about."""
NOT_TAKEN: Final = (TransientDeliveryError, QuotaExceededError, ChannelMisconfiguredError)
PAUSES: Final = (QuotaExceededError, ChannelMisconfiguredError)
"""What people write to the bot must not keep others from being told: it is for the dispatcher to find out."""
NO_ENDPOINT: Final = UUID(int=0)  # also who has linked nothing is answered


class Replies:
    """Runs in any number of processes; what may have been said is not said again."""

    def __init__(self, pool: Pool, listener: Listener, channel: Channel, clock: Clock) -> None:
        self._pool = pool
        self._listener = listener
        self._channel = channel
        self._clock = clock
        self._breaker = Breaker(channel.provider)
        self._limits = Limits(channel.provider)
        self._updates = TelegramUpdates()

    async def run(self) -> None:
        async def work() -> None:
            while not cancelled():
                if await self._listener.wait_for(self.due, IDLE_S):
                    await self.turn()

        await forever(work, name="replies in Telegram", pause_s=PAUSE_S)

    async def due(self) -> bool:
        return await self._updates.reply_due(self._pool, self._clock.now())

    async def turn(self) -> None:
        """Say one thing, as soon as Telegram may be called."""
        gate = await self._breaker.admit(self._pool, self._clock.now())
        if not gate.open:
            await asyncio.sleep(SHUT_S)
            return
        while not await self._limits.take(self._pool, self._channel.pace):  # noqa: ASYNC110
            await asyncio.sleep(self._limits.wait_s(self._channel.pace))
        now = self._clock.now()
        due = await self._updates.take_reply(self._pool, now)
        if due is not None and now < due.received_at + STALE:
            await _to_the_end(self._say(due, gate))
            return
        await self._limits.give_back(self._pool)  # somebody else was quicker, or it came to nothing
        if gate.probe:
            await self._breaker.give_back(self._pool)

    async def _say(self, due: DueReply, gate: Gate) -> None:
        to = Endpoint(id=NO_ENDPOINT, channel="telegram", address=str(due.chat))
        message = TelegramText(title="", text=due.reply, parts=(Part(due.reply),))
        came: Receipt | DeliveryError
        try:
            came = await self._channel.send(message, to, key=str(due.update_id))
        except DeliveryError as error:
            came = error
            await self._not_said(due, error)
        if not isinstance(came, PAUSES):
            await self._breaker.judge(self._pool, [came], self._clock.now(), gate)
        elif gate.probe:
            await self._breaker.give_back(self._pool)

    async def _not_said(self, due: DueReply, error: DeliveryError) -> None:
        log.warning("a reply was not taken", update=due.update_id, outcome=error.outcome, error=str(error))
        if not isinstance(error, NOT_TAKEN):
            return
        again_at = self._clock.now() + (error.retry_after or AGAIN)
        await self._updates.put_back_reply(self._pool, due.update_id, again_at)
        if isinstance(error, EndpointBusyError):
            await self._updates.put_off_replies(self._pool, due.chat, again_at)
        elif isinstance(error, PAUSES):
            await self._updates.put_off_replies(self._pool, None, again_at)


async def _to_the_end(saying: Coroutine[Any, Any, None]) -> None:
    """Let a call that has begun end, also when the process is asked to: what came of it must be noted."""
    call = spawn(saying, name="a reply in Telegram")
    stopped = False
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            stopped = True
    if stopped:
        raise asyncio.CancelledError
    call.result()
