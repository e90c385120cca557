"""Owns sending in sets: one claim, one decision and one record for many messages, whose calls run at once.

`sending`, and the provider's name, are committed before the first call: whatever ends this process, nothing
that may have been taken is sent again where no key would make that harmless.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from typing import Final
from uuid import UUID

import structlog

from bus.tasks import cancel, spawn
from routing.breaker import Breaker
from routing.channels.base import Addressed, Channel, ManyChannel
from routing.channels.base import Outcome as Came
from routing.errors import DeliveryError
from routing.noting import OF_ADDRESS, NotingWay
from routing.preparing import Prepared
from routing.ways import LaneParts, unexpected
from schemas.db import RETRYABLE
from schemas.store.consent import EVERY_TOPIC
from schemas.store.deliveries import Outcome
from schemas.store.email_batches import EmailBatches
from schemas.store.providers import Gate

log = structlog.get_logger(__name__)

NOTED_S: Final = 0.5
"""What is known of some is on record after so long, however long the others take."""


class SetWay(NotingWay):
    """Sends through a provider that takes a message in each call."""

    def __init__(self, channel: Channel, breaker: Breaker, parts: LaneParts) -> None:
        super().__init__(channel, breaker, parts)
        self._batches = EmailBatches()
        self._untried: set[UUID] = set()
        """What is claimed, and was surely not sent."""
        self._calls_made = 0
        self._sure_at: datetime = parts.clock.now()
        """When the leases were surely ours."""

    async def tokens(self, gate: Gate) -> int:
        # Where nobody could say what became of them, no more than one is put at risk after a failure.
        careful = gate.probe or (gate.troubled and not self.channel.keyed)
        most = 1 if careful else self.channel.most
        return await self._limits.take(self._parts.pool, self.channel.pace, most)

    async def work(self, gate: Gate, tokens: int) -> bool:
        self._calls_made, self._before, self._came = 0, [], []
        ready = await self._ready(tokens)
        self._untried = {one.delivery.id for one in ready}
        try:
            wanted = await self._still_ours(ready)
            if isinstance(self.channel, ManyChannel):
                await self._call_once(self.channel, wanted)
            else:
                await self._call_each(wanted, gate)
        finally:
            await self._note(gate)
            await self._release()
        if spared := tokens - self._calls_made:
            await self._limits.give_back(self._parts.pool, spared)
        if self._calls_made:
            await self._limits.heed(self._parts.pool, self.channel.pace)
        return self._calls_made > 0

    async def _ready(self, limit: int) -> list[Prepared]:
        """Claim and decide in one transaction: with it ends what can be undone."""
        parts, now = self._parts, self._parts.clock.now()
        async with parts.pool.acquire() as tx, tx.transaction():
            is_mail = self.channel.kind == "email"
            if is_mail:
                await self._batches.one_at_a_time(tx)
            ready = []
            if claimed := await self._claim(tx, now, limit):
                under_way = await self._batches.under_way(tx, claimed) if is_mail else ()
                ready = await parts.preparing.prepare(tx, parts.owner, claimed, now, under_way=under_way)
        self.full = len(claimed) == limit
        self.held = {one.delivery.id for one in ready}
        self._sure_at = now
        return ready

    async def _still_ours(self, ready: Sequence[Prepared]) -> Sequence[Prepared]:
        """Leave out what another may have taken over since it was claimed."""
        now = self._parts.clock.now()
        if not ready or now - self._sure_at < self._parts.lease / 3:
            return ready
        ours = await self._renew([one.delivery.id for one in ready], now)
        self._sure_at = now
        return [one for one in ready if one.delivery.id in ours]

    async def _renew(self, ids: Sequence[UUID], now: datetime) -> set[UUID]:
        parts = self._parts
        return await self._deliveries.renew(parts.pool, parts.owner, ids, now, parts.lease)

    async def _call_once(self, channel: ManyChannel, ready: Sequence[Prepared]) -> None:
        if self.ending or not ready:
            return
        for one, what in zip(ready, await self._answers(channel, ready), strict=True):
            self._answered(one, what)

    async def _answers(self, channel: ManyChannel, ready: Sequence[Prepared]) -> Sequence[Came]:
        messages = [Addressed(one.message, one.endpoint, str(one.delivery.id)) for one in ready]
        self._untried.clear()
        self._calls_made, began = len(ready), perf_counter()
        try:
            return [what for _, what in zip(messages, await channel.send_many(messages), strict=True)]
        except DeliveryError as error:
            return [error] * len(ready)
        except Exception as error:  # noqa: BLE001  it is said, and what it did nobody knows
            return [unexpected(channel.provider, error)] * len(ready)
        finally:
            self._calls.observe(perf_counter() - began)

    async def _call_each(self, ready: Sequence[Prepared], gate: Gate) -> None:
        """Call for all addresses at once, and for one address in order."""
        chains: dict[str, list[Prepared]] = defaultdict(list)
        for one in ready:
            chains[one.endpoint.address].append(one)
        calls = {spawn(self._chain(those), name="sending a message") for those in chains.values()}
        try:
            while calls:
                _, calls = await asyncio.wait(calls, timeout=NOTED_S)
                await self._note(gate)
        finally:
            await cancel(*calls)

    async def _chain(self, those: Sequence[Prepared]) -> None:
        known: DeliveryError | None = None
        for n, one in enumerate(those):
            if self.ending:
                return
            if known is None and n and not await self._still_wanted(one):
                continue
            self._untried.discard(one.delivery.id)
            if known is not None:
                self._known(one, known)
                continue
            what = await self._call(one)
            self._answered(one, what)
            if isinstance(what, OF_ADDRESS):
                known = what

    async def _still_wanted(self, one: Prepared) -> bool:
        """The calls before it took their time; what is not wanted goes back, and is decided about anew."""
        parts, delivery, now = self._parts, one.delivery, self._parts.clock.now()
        if delivery.expires_at is not None and delivery.expires_at <= now:
            return False
        place = self.channel.kind, one.endpoint.address
        try:
            refused = await self._consent.refused(parts.pool, [place])
            late = now - self._sure_at >= parts.lease / 3
            ours = not late or delivery.id in await self._renew([delivery.id], now)
        except RETRYABLE as error:
            log.warning("what waits for an address goes back", error=type(error).__name__)
            return False
        return ours and not refused.get(place, frozenset()) & {EVERY_TOPIC, delivery.topic}

    async def _call(self, one: Prepared) -> Came:
        provider, began = self.channel.provider, perf_counter()
        self._calls_made += 1
        try:
            return await self.channel.send(one.message, one.endpoint, key=str(one.delivery.id))
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  it is said, and what it did nobody knows
            return unexpected(provider, error)
        finally:
            self._calls.observe(perf_counter() - began)

    async def _release(self) -> None:
        """Nobody was called for these: they can go anywhere."""
        parts, now = self._parts, self._parts.clock.now()
        outcomes = [
            Outcome(
                id=one,
                status="queued",
                outcome="released",
                detail="nobody was called for it",
                due_at=now,
                counted=False,
            )
            for one in self._untried
        ]

        async def put() -> None:
            await self._deliveries.finish(parts.pool, parts.owner, outcomes, now)

        if outcomes and await self._insist(put):
            self._untried.clear()
