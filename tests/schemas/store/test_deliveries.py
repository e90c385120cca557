"""Rows of deliveries and their batches: who locks what in which order, and where what is freed may go."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bus.tasks import spawn
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.deliveries import WAKE, Deliveries, NewDelivery, Outcome
from schemas.store.email_batches import EmailBatches
from tests.waiting import until

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(seconds=10)
STORE, BATCHES = Deliveries(), EmailBatches()
NOTIFICATION = UUID(int=7)


def new(key: UUID, user: str = "ann") -> NewDelivery:
    return NewDelivery(
        id=key, user_id=user, event_id=uuid7(), notification_id=NOTIFICATION, topic="tips", priority=0,
        channel="email", endpoint_id=uuid7(), address="a", status="queued", due_at=NOW, created_at=NOW,
    )  # fmt: skip


async def added(pool: Pool, *deliveries: NewDelivery) -> None:
    async with pool.acquire() as tx, tx.transaction():
        for one in deliveries:
            await STORE.insert(tx, [one])


async def claimed(pool: Pool, provider: str = "resend", owner: str = "w") -> list[UUID]:
    found = await STORE.claim(pool, owner, "email", NOW, provider=provider, lease=LEASE, limit=10)
    return [one.id for one in found]


async def row(pool: Pool, key: UUID) -> tuple[str, str | None, str | None]:
    found = await pool.fetchrow("SELECT status, provider, owner FROM deliveries WHERE id = $1", key)
    assert found
    return tuple(found)


async def held_by_quiet_hours(pool: Pool) -> None:
    await pool.execute(
        "UPDATE deliveries SET status = 'held', reason = 'quiet_hours', due_at = $1 WHERE due_at = $2",
        NOW + timedelta(seconds=1),
        NOW,
    )


Change = Callable[[Pool], Awaitable[None]]


@pytest.mark.parametrize(
    "change",
    [
        lambda pool: STORE.put_off(pool, "email", "a", NOW + LEASE, NOW),
        lambda pool: STORE.readdress(pool, "email", "a", "b"),
        lambda pool: STORE.drop_for_read(pool, "ann", [NOTIFICATION], NOW),
        lambda pool: STORE.release(pool, "ann", NOW),
    ],
    ids=["put off", "readdressed", "read", "released"],
)
async def test_many_rows_are_locked_in_the_order_of_their_ids(pool: Pool, change: Change) -> None:
    low, high = UUID(int=1), UUID(int=2)
    await added(pool, new(high), new(low))  # in the table, the higher one comes first
    await held_by_quiet_hours(pool)
    async with pool.acquire() as tx, pool.acquire() as other:
        transaction = tx.transaction()
        await transaction.start()
        await tx.execute("SELECT FROM deliveries WHERE id = $1 FOR UPDATE", low)
        changing = spawn(change(pool), name="changing")  # type: ignore[arg-type]
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        await until(lambda: other.fetchval(waiting))
        async with other.transaction():
            assert await other.fetchval("SELECT id FROM deliveries WHERE id = $1 FOR UPDATE NOWAIT", high)
        await transaction.rollback()
        await changing


async def test_only_what_the_quiet_hours_of_a_person_hold_is_released(pool: Pool) -> None:
    held, other, off, failed = (uuid7() for _ in range(4))
    await added(pool, new(held), new(other, "bob"), new(off), new(failed))
    await held_by_quiet_hours(pool)
    await pool.execute("UPDATE deliveries SET reason = 'rate_limited' WHERE id = $1", off)
    await pool.execute("UPDATE deliveries SET status = 'failed' WHERE id = $1", failed)
    await STORE.release(pool, "ann", NOW)
    assert await claimed(pool) == [held]


async def test_who_waits_for_work_is_told_of_what_was_released(pool: Pool) -> None:
    woken = asyncio.Event()
    await added(pool, new(uuid7()))
    await held_by_quiet_hours(pool)

    def wake(*_: object) -> None:
        woken.set()

    async with pool.acquire() as listening:
        await listening.add_listener(WAKE, wake)
        await STORE.release(pool, "ann", NOW)
        async with asyncio.timeout(20):
            await woken.wait()
        await listening.remove_listener(WAKE, wake)


async def test_what_was_in_no_batch_yet_may_go_to_any_provider(pool: Pool) -> None:
    await added(pool, new(key := uuid7()))
    await claimed(pool)
    await STORE.recover(pool, NOW + 2 * LEASE, channels=["email"], keyed=["resend"], batching=["resend"])
    assert await row(pool, key) == ("queued", None, None)


async def test_what_one_with_a_key_may_have_taken_goes_there_again(pool: Pool) -> None:
    await added(pool, new(key := uuid7()))
    await claimed(pool, "keyed")
    await STORE.recover(pool, NOW + 2 * LEASE, channels=["email"], keyed=["keyed"], batching=["resend"])
    assert await row(pool, key) == ("queued", "keyed", None)


async def test_a_report_that_was_quicker_keeps_its_provider(pool: Pool) -> None:
    await added(pool, new(key := uuid7()))
    await claimed(pool, "twilio")
    await STORE.report(pool, "twilio", "SM1", status="sent", now=NOW, delivery=key)
    again = Outcome(id=key, status="queued", outcome="unavailable", due_at=NOW + LEASE)
    await STORE.finish(pool, "w", [again], NOW)
    assert await row(pool, key) == ("sent", "twilio", None)


async def batch_of(pool: Pool, key: UUID, owner: str | None) -> None:
    """A batch nobody took yet, or one that is under way."""
    async with pool.acquire() as tx, tx.transaction():
        await STORE.join_batch(tx, "w", [key], batch := uuid7(), NOW)
        mails = {key: {"to": ["a"]}}
        await BATCHES.store(tx, batch, provider="resend", mails=mails, owner=owner, now=NOW, lease_s=-1)


async def test_of_a_withdrawn_batch_only_what_was_surely_not_sent_may_go_elsewhere(pool: Pool) -> None:
    await added(pool, new(fresh := uuid7()), new(tried := uuid7()))
    await claimed(pool)
    await batch_of(pool, fresh, None)
    await batch_of(pool, tried, "w")
    async with pool.acquire() as tx, tx.transaction():
        await BATCHES.withdraw(tx, "ann")
    assert await row(pool, fresh) == ("queued", None, None)
    assert await row(pool, tried) == ("unknown", "resend", None)


@pytest.mark.parametrize(
    ("mine", "days", "ended"), [("smtp", 2, True), ("smtp", 0, False), ("resend", 2, False)]
)
async def test_batches_for_a_provider_that_is_gone_are_ended_after_a_day(
    pool: Pool, mine: str, days: int, ended: bool
) -> None:
    await added(pool, new(fresh := uuid7()), new(tried := uuid7()))
    await claimed(pool)
    await batch_of(pool, fresh, None)
    await batch_of(pool, tried, "w")
    now = NOW + timedelta(days=days)
    await BATCHES.give_up(pool, now, providers=[mine], before=now - timedelta(days=1))
    found = [(await row(pool, one))[:2] for one in (fresh, tried)]
    assert found == ([("queued", None), ("unknown", "resend")] if ended else [("sending", "resend")] * 2)
    states = {one["state"] for one in await pool.fetch("SELECT state FROM email_batches")}
    assert states == ({"dead"} if ended else {"open"})


async def test_what_was_redriven_is_nobodys_until_it_is_claimed(pool: Pool) -> None:
    await added(pool, new(key := uuid7()))
    await claimed(pool, "twilio")
    await STORE.report(pool, "twilio", "SM1", status="failed", now=NOW, delivery=key)
    await STORE.redrive(pool, [key], NOW)
    sent = Outcome(id=key, status="sent", outcome="accepted", provider="twilio")
    assert await STORE.finish(pool, "w", [sent], NOW) == set()
    assert await row(pool, key) == ("queued", None, None)
