"""Owns sending by batches: stored with their bodies first, repeated unchanged until their fate is known."""

from collections.abc import Sequence
from datetime import datetime
from time import perf_counter

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
from routing.ways import GAVE_UP, LaneParts, Way, unexpected
from schemas.db import Connection
from schemas.ids import uuid7
from schemas.store.deliveries import Delivery, Outcome
from schemas.store.email_batches import Batch, EmailBatches
from schemas.store.providers import Gate

ENDED = "the process that was sending it ended"
UNTRIED = "nobody called for it"
REFUSED = "the call that it was part of was refused, maybe for another"


class BatchWay(Way):
    """Sends many mails in one call.

    An attempt that may have been taken keeps its batch open: it is repeated as it was, whoever does so. One
    that surely was not taken dissolves it, and its deliveries are decided about anew: so nothing waits in a
    batch that may still be taken back.
    """

    def __init__(self, channel: BatchChannel, breaker: Breaker, parts: LaneParts) -> None:
        super().__init__(channel, breaker, parts)
        self._many = channel
        self._batches = EmailBatches()
        self._lease_s = parts.lease.total_seconds()
        self._size = channel.most
        """So many mails make a batch: fewer after a refusal of all, until the one at fault is found."""

    async def owes(self) -> bool:
        now = self._parts.clock.now()
        return await self._batches.due(self._parts.pool, self._many.provider, now)

    async def tokens(self, gate: Gate) -> int:
        return await self._limits.take(self._parts.pool, self._many.pace)

    async def work(self, gate: Gate, tokens: int) -> bool:
        self.full = False
        batch = await self._left() or await self._store(1 if gate.probe else self._size)
        if batch is not None and self.ending:
            await self._let_go(batch)
            batch = None
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
        place = self._many.provider, parts.owner, now, self._lease_s
        async with parts.pool.acquire() as tx, tx.transaction():
            while (batch := await self._batches.claim(tx, *place)) and batch.attempts == 1:
                await self._dissolve(tx, batch, UNTRIED, now)  # earlier versions left such behind
            if batch and batch.left_behind:
                await self._deliveries.note(
                    tx, str(batch.id), batch.deliveries, now, outcome="ambiguous", detail=ENDED
                )
        return batch

    async def _store(self, most: int) -> Batch | None:
        """Make a batch of what is due; None if nothing of it is wanted any more."""
        parts, now, key = self._parts, self._parts.clock.now(), uuid7()
        provider = self._many.provider
        async with parts.pool.acquire() as tx, tx.transaction():
            await self._batches.one_at_a_time(tx)
            claimed = await self._batches.gather(tx, key, now, provider=provider, limit=most)
            self.full = len(claimed) == most
            if not claimed:
                return None
            under_way = await self._batches.under_way(tx, claimed)
            ready = await parts.preparing.prepare(tx, str(key), claimed, now, under_way=under_way)
            if not ready:
                return None
            mails = {one.delivery.id: self._written(one) for one in ready}
            return await self._batches.store(
                tx, key, provider=provider, mails=mails, owner=parts.owner, now=now, lease_s=self._lease_s
            )

    async def _let_go(self, batch: Batch) -> None:
        """No call is begun any more: others may, and at once."""
        parts, now = self._parts, self._parts.clock.now()
        async with parts.pool.acquire() as tx, tx.transaction():
            if batch.attempts > 1:
                await self._batches.wait(tx, batch.id, parts.owner, now)
            else:
                await self._dissolve(tx, batch, UNTRIED, now)

    def _written(self, one: Prepared) -> Mail:
        return self._many.prepare(one.message, one.endpoint.address, key=str(one.delivery.id))

    async def _send(self, batch: Batch, gate: Gate) -> None:
        parts = self._parts
        if batch.created_at + KEPT <= parts.clock.now():
            await self._give_up(batch)
            if gate.probe:
                await self.breaker.give_back(parts.pool)
            return
        came = await self._called(batch)
        if isinstance(came, DeliveryError):
            async with parts.pool.acquire() as tx, tx.transaction():
                await self._failed_as_whole(tx, batch, came, parts.clock.now())
        else:
            await self._settle(batch, came)
        judged = [came] if isinstance(came, DeliveryError) else came
        await self.breaker.judge(parts.pool, judged, parts.clock.now(), gate)

    async def _called(self, batch: Batch) -> Sequence[Came] | DeliveryError:
        """Answer what came of each mail, or of all together."""
        began = perf_counter()
        try:
            return await self._many.send_batch(batch.mails, key=str(batch.id))
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  it is said, and what it did nobody knows
            return unexpected(self._many.provider, error)
        finally:
            self._calls.observe(perf_counter() - began)

    async def _settle(self, batch: Batch, came: Sequence[Came]) -> None:
        parts, now = self._parts, self._parts.clock.now()
        async with parts.pool.acquire() as tx, tx.transaction():
            if not await self._batches.close(tx, batch.id, parts.owner, "done"):
                return  # whoever took it over has the same answer, and notes it
            refused = {
                one: what
                for one, what in zip(batch.deliveries, came, strict=True)
                if isinstance(what, DeliveryError)
            }
            outcomes = [
                self._outcome(one, "sent", what)
                for one, what in zip(batch.deliveries, came, strict=True)
                if isinstance(what, Receipt)
            ]
            if refused:
                members = await self._deliveries.get_many(tx, [*refused])
                repeated = batch.attempts > 1  # an earlier attempt may have been taken
                outcomes += [self._refused_alone(one, refused[one.id], now, repeated) for one in members]
            await self._deliveries.finish(tx, str(batch.id), outcomes, now)
        answered = zip(batch.mails, came, strict=True)
        await self._retire(
            {mail["to"][0]: one for mail, one in answered if isinstance(one, EndpointGoneError)}
        )
        self._size = min(self._many.most, 2 * self._size)
        self._came_after(now - batch.created_at)

    def _refused_alone(self, one: Delivery, error: DeliveryError, now: datetime, repeated: bool) -> Outcome:
        if repeated and not isinstance(error, MessageRejectedError):
            return self._outcome(one.id, "unknown", error, reason=error.outcome)
        return self._put_back(one, error, now)

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
        """One mail may be at fault for all: ever smaller batches find out which.

        They have other keys, so only what was surely not taken before may be parted.
        """
        if batch.attempts > 1:
            await self._end(tx, batch, "unknown", error, now)
            return
        if len(batch.mails) == 1:
            await self._end(tx, batch, "failed", error, now)
            return
        self._size = len(batch.mails) // 2
        await self._dissolve(tx, batch, f"{REFUSED}: {error}", now)

    async def _dissolve(self, tx: Connection, batch: Batch, why: str, now: datetime) -> None:
        """Nothing of it was taken: what it held has its place in the queue again."""
        if await self._batches.close(tx, batch.id, self._parts.owner, "dead"):
            outcomes = [
                Outcome(id=one, status="queued", outcome="released", detail=why, counted=False)
                for one in batch.deliveries
            ]
            await self._deliveries.finish(tx, str(batch.id), outcomes, now)

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
        async with parts.pool.acquire() as tx, tx.transaction():
            if await self._batches.close(tx, batch.id, parts.owner, "dead"):
                outcomes = [self._outcome(one, "unknown", error, reason=GAVE_UP) for one in batch.deliveries]
                await self._deliveries.finish(tx, str(batch.id), outcomes, now)
