"""Rows of deliveries and their batches: who locks what in which order, and where what is freed may go."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bus.tasks import spawn
from schemas.db import Connection, Pool
from schemas.ids import uuid7
from schemas.store.deliveries import (
    REDRIVE_FAILED,
    SETTINGS_CHANGED,
    WAKE,
    Deliveries,
    Filter,
    NewDelivery,
    Outcome,
)
from schemas.store.delivery_records import LIST, OF_ENDED
from schemas.store.email_batches import EmailBatches
from schemas.store.notifications import Notifications
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


async def unread(pool: Pool) -> None:
    """What the deliveries are of, in the inbox."""
    await pool.execute(
        "INSERT INTO notifications (user_id, id, topic, priority, title, event_ids, created_at, updated_at)"
        " VALUES ('ann', $1, 'tips', 'immediate', 't', '{}', $2, $2)",
        NOTIFICATION,
        NOW,
    )


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


async def read_all(pool: Pool) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Notifications().read_all(tx, "ann", NOW, 10)


Change = Callable[[Pool], Awaitable[None]]


@pytest.mark.parametrize(
    "change",
    [
        lambda pool: STORE.put_off(pool, "email", "a", NOW + LEASE, NOW),
        lambda pool: STORE.readdress(pool, "email", "a", "b"),
        lambda pool: STORE.drop_for_read(pool, "ann", [NOTIFICATION], NOW),
        read_all,
        lambda pool: STORE.release(pool, "ann", NOW),
    ],
    ids=["put off", "readdressed", "read", "all read", "released"],
)
async def test_many_rows_are_locked_in_the_order_of_their_ids(pool: Pool, change: Change) -> None:
    low, high = UUID(int=1), UUID(int=2)
    await unread(pool)
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


@pytest.mark.parametrize(
    "read", [lambda pool: STORE.drop_for_read(pool, "ann", [NOTIFICATION], NOW), read_all], ids=["one", "all"]
)
async def test_what_was_read_is_withdrawn_with_a_line_of_its_record(pool: Pool, read: Change) -> None:
    fresh, failed, under_way = (uuid7() for _ in range(3))
    await unread(pool)
    await added(pool, new(failed), new(under_way))
    await claimed(pool)
    again = Outcome(id=failed, status="queued", outcome="unavailable", due_at=NOW)
    await STORE.finish(pool, "w", [again], NOW)
    await added(pool, new(fresh))
    await read(pool)
    record = await STORE.attempts(pool, [fresh, failed, under_way])
    lines = {key: [(one.outcome, one.detail) for one in some] for key, some in record.items()}
    dropped = "dropped", "read_already"
    assert lines == {fresh: [dropped], failed: [("unavailable", None), dropped]}
    found = await STORE.get_many(pool, [fresh, failed])
    assert {(one.status, one.reason) for one in found} == {dropped}
    assert await pool.fetchval("SELECT notes FROM deliveries WHERE id = $1", failed) == 2


async def test_pages_are_in_the_order_of_the_ids(pool: Pool) -> None:
    ids = [uuid7() for _ in range(5)]
    later = NOW + timedelta(minutes=1)  # its clock was wrong
    await added(pool, replace(new(ids[1]), created_at=later), *(new(one) for one in ids if one != ids[1]))
    first = await STORE.page(pool, Filter(user="ann"), limit=3)
    rest = await STORE.page(pool, Filter(user="ann"), before=first[-1].id)
    assert [one.id for one in (*first, *rest)] == ids[::-1]


MANY = """
INSERT INTO deliveries (id, user_id, event_id, notification_id, topic, priority, channel, endpoint_id,
                        address, status, due_at, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'ann', gen_random_uuid(), gen_random_uuid(), 'tips', 0, 'email',
       gen_random_uuid(), 'a', CASE n % 20 WHEN 7 THEN 'failed' WHEN 8 THEN 'unknown' ELSE 'sent' END,
       $1, $1, $1
FROM generate_series(1, 20000) n
"""


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_what_ended_badly_is_found_without_looking_at_the_rest(pool: Pool, mode: str) -> None:
    await pool.execute(MANY, NOW)
    await pool.execute("ANALYZE deliveries")
    async with pool.acquire() as conn:
        await conn.execute(f"SET plan_cache_mode = {mode}")
        for status in ("failed", "unknown"):
            query = LIST.format(OF_ENDED)
            assert "deliveries_ended" in await plan(conn, query, status, *[None] * 5, 50)
            assert {one.status for one in await STORE.page(conn, Filter(status=status))} == {status}
        assert "deliveries_ended" in await plan(conn, REDRIVE_FAILED, NOW, 100)
        await conn.execute("RESET plan_cache_mode")


async def plan(conn: Connection, query: str, *values: object) -> str:
    return "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN (COSTS OFF) {query}", *values))


HOUR = timedelta(hours=1)


async def since(pool: Pool, key: UUID) -> datetime | None:
    found = await STORE.get(pool, key)
    assert found
    return found.tried_since


async def settled(pool: Pool, after: timedelta, outcome: Outcome) -> None:
    """Somebody claims it so late, and that comes of it."""
    now = NOW + after
    assert await STORE.claim(pool, "w", "email", now, provider="resend", lease=LEASE, limit=10)
    await STORE.finish(pool, "w", [outcome], now)


async def test_a_hold_is_no_part_of_the_time_that_something_is_tried(pool: Pool) -> None:
    await added(pool, new(key := uuid7()))
    quota = Outcome(id=key, status="queued", outcome="quota", due_at=NOW + HOUR, counted=False)
    await settled(pool, 0 * HOUR, quota)
    assert await since(pool, key) is None
    again = Outcome(id=key, status="queued", outcome="busy", due_at=NOW + 2 * HOUR, tried_since=NOW + HOUR)
    await settled(pool, 1 * HOUR, again)
    assert await since(pool, key) == NOW + HOUR
    later = NOW + 8 * HOUR
    quiet = Outcome(id=key, status="held", outcome="held", reason="quiet_hours", due_at=later, counted=False)
    await settled(pool, 4 * HOUR, quiet)  # its time came at two
    assert await since(pool, key) == NOW + 7 * HOUR
    await STORE.release(pool, "ann", NOW + 6 * HOUR)
    assert await since(pool, key) == NOW + 5 * HOUR
    await settled(pool, 6 * HOUR, Outcome(id=key, status="sent", outcome="accepted"))
    assert await since(pool, key) == NOW + 5 * HOUR


@pytest.mark.parametrize(
    "redrive",
    [
        lambda pool, key: STORE.redrive(pool, [key], NOW + LEASE),
        lambda pool, _: STORE.redrive_failed(pool, NOW + LEASE, 10),
    ],
    ids=["one", "all"],
)
async def test_what_was_redriven_is_tried_from_the_beginning(
    pool: Pool, redrive: Callable[[Pool, UUID], Awaitable[object]]
) -> None:
    await added(pool, new(key := uuid7()))
    again = Outcome(id=key, status="queued", outcome="busy", due_at=NOW, tried_since=NOW)
    for outcome in (again, Outcome(id=key, status="failed", outcome="busy")):
        await settled(pool, 0 * HOUR, outcome)
    assert await since(pool, key) == NOW
    await redrive(pool, key)
    assert await since(pool, key) is None


async def test_only_what_the_quiet_hours_of_a_person_hold_is_released(pool: Pool) -> None:
    held, other, off, failed = (uuid7() for _ in range(4))
    await added(pool, new(held), new(other, "bob"), new(off), new(failed))
    await held_by_quiet_hours(pool)
    await pool.execute("UPDATE deliveries SET reason = 'rate_limited' WHERE id = $1", off)
    await pool.execute("UPDATE deliveries SET status = 'failed' WHERE id = $1", failed)
    await STORE.release(pool, "ann", NOW)
    assert await claimed(pool) == [held]


async def test_what_is_released_gets_a_line_of_its_record_that_is_no_attempt(pool: Pool) -> None:
    await added(pool, new(held := uuid7()), new(other := uuid7(), "bob"))
    await held_by_quiet_hours(pool)
    for _ in range(2):  # what is due already was released
        await STORE.release(pool, "ann", NOW)
    record = await STORE.attempts(pool, [held, other])
    lines = {key: [(one.at, one.outcome, one.detail) for one in some] for key, some in record.items()}
    assert lines == {held: [(NOW, "released", SETTINGS_CHANGED)]}
    counts = await pool.fetchrow("SELECT attempts, notes, updated_at FROM deliveries WHERE id = $1", held)
    assert counts
    assert tuple(counts) == (0, 1, NOW)


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


async def test_a_report_that_was_quicker_than_the_answer_ends_why_it_waited(pool: Pool) -> None:
    await added(pool, replace(new(key := uuid7()), status="held", reason="quiet_hours"))
    await claimed(pool, "twilio")
    later = NOW + timedelta(seconds=1)
    await STORE.report(pool, "twilio", "SM1", status="delivered", now=later, delivery=key)
    sent = Outcome(id=key, status="sent", outcome="accepted", provider="twilio", provider_ref="SM1")
    await STORE.finish(pool, "w", [sent], NOW)
    found = await STORE.get(pool, key)
    assert found is not None
    assert (found.status, found.reason) == ("delivered", None)
    assert [one.outcome for one in (await STORE.attempts(pool, [key]))[key]] == ["accepted", "delivered"]


@pytest.mark.parametrize(
    ("taken_by", "becomes"), [(None, ("queued", None, None)), ("twilio", ("failed", "twilio", None))]
)
async def test_a_failure_is_of_another_attempt_if_this_one_was_surely_not_taken(
    pool: Pool, taken_by: str | None, becomes: tuple[str, str | None, str | None]
) -> None:
    await added(pool, new(key := uuid7()))
    await claimed(pool, "twilio")
    await STORE.report(pool, "twilio", "SM1", status="failed", now=NOW, delivery=key)
    again = Outcome(id=key, status="queued", outcome="again", due_at=NOW + LEASE, provider=taken_by)
    await STORE.finish(pool, "w", [again], NOW)
    assert await row(pool, key) == becomes


async def test_a_late_failure_leaves_what_was_dropped_since_as_it_is(pool: Pool) -> None:
    await unread(pool)
    await added(pool, new(key := uuid7()))
    await claimed(pool, "twilio")
    again = Outcome(id=key, status="queued", outcome="unavailable", due_at=NOW, provider="twilio")
    await STORE.finish(pool, "w", [again], NOW)
    await read_all(pool)
    await STORE.report(pool, "twilio", "SM1", status="failed", now=NOW, delivery=key)
    found = await STORE.get(pool, key)
    assert found is not None
    assert (found.status, found.reason) == ("dropped", "read_already")
    record = (await STORE.attempts(pool, [key]))[key]
    assert [one.outcome for one in record] == ["unavailable", "dropped", "failed"]


async def batch_of(pool: Pool, key: UUID, *, tried: bool) -> None:
    """A batch that is under way, or one that nobody took yet, as earlier versions left some."""
    await added(pool, new(key))
    async with pool.acquire() as tx, tx.transaction():
        await BATCHES.gather(tx, batch := uuid7(), NOW, provider="resend", limit=1)
        mails = {key: {"to": ["a"]}}
        await BATCHES.store(tx, batch, provider="resend", mails=mails, owner="w", now=NOW, lease_s=-1)
        if not tried:
            await tx.execute("UPDATE email_batches SET owner = NULL, attempts = 0 WHERE id = $1", batch)


async def test_of_a_withdrawn_batch_only_what_was_surely_not_sent_may_go_elsewhere(pool: Pool) -> None:
    await batch_of(pool, fresh := uuid7(), tried=False)
    await batch_of(pool, tried := uuid7(), tried=True)
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
    await batch_of(pool, fresh := uuid7(), tried=False)
    await batch_of(pool, tried := uuid7(), tried=True)
    now = NOW + timedelta(days=days)
    lost = await BATCHES.give_up(pool, now, providers=[mine], before=now - timedelta(days=1))
    assert lost == (1 if ended else 0)
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
