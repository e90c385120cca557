"""Owns sending by batches: stored with their bodies first, repeated unchanged until their fate is known."""

from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from uuid import UUID

from routing.backoff import BATCHES, KEPT, next_attempt
from routing.breaker import Breaker
from routing.channels.base import BatchChannel, Mail, Receipt
from routing.channels.base import Outcome as Came
from routing.errors import (
    AmbiguousDeliveryError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
)
from routing.preparing import Prepared
from routing.ways import GAVE_UP, LaneParts, Way
from schemas.db import Connection
from schemas.ids import uuid7
from schemas.store.email_batches import Batch, EmailBatches
from schemas.store.providers import Gate

ENDED = "the process that was sending it ended"


class BatchWay(Way):
    """Sends many mails in one call.

    An attempt that may have been taken keeps its batch open: it is repeated as it was, whoever does so. One
    that surely was not taken dissolves it, and its deliveries are decided about anew.
    """

    def __init__(self, channel: BatchChannel, breaker: Breaker, parts: LaneParts) -> None:
        super().__init__(channel, breaker, parts)
        self._many = channel
        self._batches = EmailBatches()
        self._lease_s = parts.lease.total_seconds()

    async def owes(self) -> bool:
        now = self._parts.clock.now()
        return await self._batches.due(self._parts.pool, self._many.provider, now)

    async def tokens(self, gate: Gate) -> int:
        return await self._limits.take(self._parts.pool, self._many.pace)

    async def work(self, gate: Gate, tokens: int) -> bool:
        batch = await self._left() or await self._store()
        if batch is None:
            await self._limits.give_back(self._parts.pool, tokens)
            return False
        self.batch = batch.id
        await self._send(batch, gate)
        await self._limits.heed(self._parts.pool, self._many.pace)
        return True

    async def _left(self) -> Batch | None:
        """Take a batch that must be repeated."""
        parts, now = self._parts, self._parts.clock.now()
        batch = await self._batches.claim(parts.pool, self._many.provider, parts.owner, now, self._lease_s)
        if batch and batch.left_behind:
            self.batch = batch.id
            await self._deliveries.note(
                parts.pool, str(batch.id), batch.deliveries, now, outcome="ambiguous", detail=ENDED
            )
        return batch

    async def _store(self) -> Batch | None:
        """Make a batch of what is due; None if nothing of it is wanted any more."""
        parts, now = self._parts, self._parts.clock.now()
        claimed = await self._claim(parts.pool, now, self._many.most)
        if not claimed:
            return None
        self.held = [one.id for one in claimed]
        async with parts.pool.acquire() as tx, tx.transaction():
            await self._batches.one_at_a_time(tx)
            under_way = await self._batches.under_way(tx, claimed, batching=self._many.provider)
            ready = await parts.preparing.prepare(tx, parts.owner, claimed, now, under_way=under_way)
            first, *others = _parted(ready) or [[]]
            for few in others:
                await self._join(tx, few, None, now)
            return await self._join(tx, first, parts.owner, now)

    async def _join(
        self, tx: Connection, ready: Sequence[Prepared], owner: str | None, now: datetime
    ) -> Batch | None:
        """Make one batch; without an owner whoever is free takes it."""
        key, parts = uuid7(), self._parts
        ids = [one.delivery.id for one in ready]
        joined = await self._deliveries.join_batch(tx, parts.owner, ids, key, now)
        mails = {
            one.delivery.id: self._many.prepare(one.message, one.endpoint.address, key=str(one.delivery.id))
            for one in ready
            if one.delivery.id in joined
        }
        return await self._keep(tx, key, mails, owner, now) if mails else None

    async def _keep(
        self, tx: Connection, key: UUID, mails: dict[UUID, Mail], owner: str | None, now: datetime
    ) -> Batch:
        return await self._batches.store(
            tx,
            key,
            provider=self._many.provider,
            mails=mails,
            owner=owner,
            now=now,
            lease_s=self._lease_s,
        )

    async def _send(self, batch: Batch, gate: Gate) -> None:
        parts = self._parts
        if batch.created_at + KEPT <= parts.clock.now():
            await self._give_up(batch)
            if gate.probe:
                await self.breaker.give_back(parts.pool)
            return
        began = perf_counter()
        try:
            came: Sequence[Came] = await self._many.send_batch(batch.mails, key=str(batch.id))
        except DeliveryError as error:
            self._calls.observe(perf_counter() - began)
            now, came = parts.clock.now(), [error]
            async with parts.pool.acquire() as tx, tx.transaction():
                await self._failed_as_whole(tx, batch, error, now)
        else:
            self._calls.observe(perf_counter() - began)
            await self._settle(batch, came)
        await self.breaker.judge(parts.pool, came, parts.clock.now(), gate)

    async def _settle(self, batch: Batch, came: Sequence[Came]) -> None:
        parts, now = self._parts, self._parts.clock.now()
        outcomes = [
            self._outcome(delivery, "sent", one)
            if isinstance(one, Receipt)
            else self._outcome(delivery, "failed", one, reason=one.outcome)
            for delivery, one in zip(batch.deliveries, came, strict=True)
        ]
        async with parts.pool.acquire() as tx, tx.transaction():
            if not await self._batches.close(tx, batch.id, parts.owner, "done"):
                return  # whoever took it over has the same answer, and notes it
            await self._deliveries.finish(tx, str(batch.id), outcomes, now)
            for mail, one in zip(batch.mails, came, strict=True):
                if isinstance(one, EndpointGoneError):
                    await self._retire(tx, mail["to"][0], one, now)
        self._came_after(now - batch.created_at)

    async def _failed_as_whole(
        self, tx: Connection, batch: Batch, error: DeliveryError, now: datetime
    ) -> None:
        repeated = batch.attempts > 1  # so an earlier attempt may have been taken
        if isinstance(error, AmbiguousDeliveryError) and not error.repeatable:
            await self._end(tx, batch, "unknown", error, now)
        elif isinstance(error, MessageRejectedError):
            await self._refused(tx, batch, error, now)
        elif isinstance(error, AmbiguousDeliveryError) or repeated:
            last = batch.created_at + KEPT
            until = next_attempt(BATCHES, batch.attempts, now, last, error.retry_after)
            if await self._batches.wait(tx, batch.id, self._parts.owner, until):
                await self._deliveries.note(
                    tx, str(batch.id), batch.deliveries, now, outcome=error.outcome, detail=str(error)
                )
        elif await self._batches.close(tx, batch.id, self._parts.owner, "dead"):
            members = await self._deliveries.get_many(tx, batch.deliveries)
            outcomes = [self._put_back(one, error, now) for one in members]
            await self._deliveries.finish(tx, str(batch.id), outcomes, now)

    async def _refused(
        self, tx: Connection, batch: Batch, error: MessageRejectedError, now: datetime
    ) -> None:
        """One refused mail may be the fault of all: halves of the batch find out which.

        They have other keys, so only what was surely not taken before may be halved.
        """
        if batch.attempts > 1:
            await self._end(tx, batch, "unknown", error, now)
            return
        if len(batch.mails) == 1:
            await self._end(tx, batch, "failed", error, now)
            return
        if not await self._batches.close(tx, batch.id, self._parts.owner, "dead"):
            return
        both = list(zip(batch.deliveries, batch.mails, strict=True))
        middle = len(both) // 2
        for half in (dict(both[:middle]), dict(both[middle:])):
            await self._store_half(tx, batch, half, now)

    async def _store_half(self, tx: Connection, batch: Batch, mails: dict[UUID, Mail], now: datetime) -> None:
        key = uuid7()
        await self._deliveries.join_batch(tx, str(batch.id), list(mails), key, now)
        await self._keep(tx, key, mails, None, now)

    async def _end(
        self, tx: Connection, batch: Batch, status: str, error: DeliveryError, now: datetime
    ) -> None:
        if await self._batches.close(tx, batch.id, self._parts.owner, "dead"):
            outcomes = [self._outcome(one, status, error, reason=error.outcome) for one in batch.deliveries]
            await self._deliveries.finish(tx, str(batch.id), outcomes, now)

    async def _give_up(self, batch: Batch) -> None:
        """The provider forgets the key now; whether it took the mails will not be known from it any more."""
        parts, now = self._parts, self._parts.clock.now()
        error = AmbiguousDeliveryError("the provider never answered within the life of the key")
        outcomes = [self._outcome(one, "unknown", error, reason=GAVE_UP) for one in batch.deliveries]
        async with parts.pool.acquire() as tx, tx.transaction():
            if await self._batches.close(tx, batch.id, parts.owner, "dead"):
                await self._deliveries.finish(tx, str(batch.id), outcomes, now)


def _parted(ready: Sequence[Prepared]) -> list[list[Prepared]]:
    """What failed before goes by itself: one bad address must not hold the others again."""
    fresh = [one for one in ready if not one.delivery.attempts]
    return [part for part in (fresh, *([one] for one in ready if one.delivery.attempts)) if part]
