"""POST /webhooks/twilio: what follows from what is said."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from bus.telemetry import UNSENT
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Outcome
from tests.gateways.http.served import Caller
from tests.gateways.webhooks.by_twilio import (
    EMPTY,
    OTHER_ACCOUNT,
    OTHER_TOKEN,
    door,
    owned,
    refused,
    report,
    status,
    told,
    written,
)
from tests.gateways.webhooks.taken import taken
from tests.simulated_twilio import ANN, BOB


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with door(database, pool) as nobody:
        yield nobody


@pytest.fixture
async def delivery(pool: Pool) -> UUID:
    """A delivery that Twilio took under the name `SM1`."""
    return await taken(pool, "sms", ANN, "twilio", "SM1")


async def test_what_was_not_delivered_is_counted(caller: Caller, delivery: UUID) -> None:
    counter = UNSENT.labels("sms", "failed", "reported")
    before = counter._value.get()
    await told(caller, report("sent"))
    await told(caller, report("undelivered", ErrorCode="30003"))
    assert counter._value.get() - before == 1


async def test_what_was_delivered_is_noted_and_nothing_is_said_to_it(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    answer = await told(caller, report("delivered"))
    assert (answer.status, answer.body) == (200, EMPTY)
    assert answer.headers["Content-Type"].startswith("text/xml")
    assert await status(pool) == "delivered"


@pytest.mark.parametrize("sid", [OTHER_ACCOUNT, ""])
async def test_what_is_told_of_another_account_changes_nothing(
    caller: Caller, pool: Pool, delivery: UUID, sid: str
) -> None:
    assert (await told(caller, report("delivered", AccountSid=sid))).status == 401
    assert await status(pool) == "sent"


async def test_what_our_secret_signed_needs_to_name_no_account(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    form = {name: value for name, value in report("delivered").items() if name != "AccountSid"}
    assert (await told(caller, form)).status == 200
    assert await status(pool) == "delivered"


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("accepted", "sent"),
        ("queued", "sent"),
        ("sending", "sent"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "opened"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("new-status", "unknown"),
    ],
)
async def test_whatever_is_told_of_a_delivery_resolves_that_nobody_knew(
    caller: Caller, pool: Pool, delivery: UUID, said: str, becomes: str
) -> None:
    await pool.execute("UPDATE deliveries SET status = 'unknown', reason = 'ambiguous', provider_ref = NULL")
    assert (await told(caller, report(said), f"?delivery={delivery}")).status == 200
    row = await pool.fetchrow("SELECT status, reason, provider_ref, sent_at IS NOT NULL FROM deliveries")
    assert row is not None
    known = becomes != "unknown"
    expected = (
        becomes,
        None if known else "ambiguous",
        "SM1" if known else None,
        known and becomes != "failed",
    )
    assert tuple(row) == expected


async def test_it_may_come_before_the_answer_to_the_call_was_noted(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    await pool.execute("UPDATE deliveries SET status = 'sending', provider_ref = NULL, owner = 'd1'")
    await told(caller, report("delivered"), f"?delivery={delivery}")
    row = await pool.fetchrow("SELECT status, provider_ref, owner FROM deliveries")
    assert row is not None
    assert tuple(row) == ("delivered", "SM1", "d1")


@pytest.mark.parametrize("last", ["delivered", "undelivered"])
async def test_reports_in_any_order_never_leave_a_final_state(
    caller: Caller, pool: Pool, delivery: UUID, last: str
) -> None:
    await told(caller, report(last), f"?delivery={delivery}")
    final = await status(pool)
    for late in ("sent", "sending", "queued"):
        assert (await told(caller, report(late), f"?delivery={delivery}")).status == 200
    assert await status(pool) == final


async def test_what_arrived_has_not_failed_whatever_is_told_later(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    await told(caller, report("delivered"))
    await told(caller, report("undelivered", ErrorCode="30008"))
    assert await status(pool) == "delivered"


async def test_a_report_is_handled_once(caller: Caller, pool: Pool, delivery: UUID) -> None:
    for _ in range(3):
        assert (await told(caller, report("sent"))).status == 200
    await told(caller, report("delivered"))
    assert await pool.fetchval("SELECT count(*) FROM delivery_attempts") == 2


async def test_why_it_failed_is_noted(caller: Caller, pool: Pool, delivery: UUID) -> None:
    await told(caller, report("undelivered", ErrorCode="30003"))
    assert await pool.fetchval("SELECT detail FROM delivery_attempts") == (
        "undelivered: 30003, the phone cannot be reached"
    )


async def test_a_report_of_the_second_account_is_its_own(caller: Caller, pool: Pool, delivery: UUID) -> None:
    await pool.execute("UPDATE deliveries SET provider = 'twilio_fallback', status = 'unknown'")
    form = report("delivered", AccountSid=OTHER_ACCOUNT)
    await told(caller, form, f"?delivery={delivery}", token=OTHER_TOKEN)
    row = await pool.fetchrow("SELECT status, provider FROM deliveries")
    assert row is not None
    assert tuple(row) == ("delivered", "twilio_fallback")


@pytest.mark.parametrize("named", [False, True])
async def test_a_failure_of_an_attempt_before_does_not_end_the_next(
    caller: Caller, pool: Pool, delivery: UUID, named: bool
) -> None:
    store, query, now = Deliveries(), f"?delivery={delivery}", SystemClock().now()
    await pool.execute(
        "UPDATE deliveries SET status = 'unknown', provider_ref = $1", "SM1" if named else None
    )
    assert await store.redrive(pool, [delivery], now) == {delivery}
    await told(caller, report("failed", ErrorCode="30003"), query)
    row = await pool.fetchrow("SELECT status, provider, provider_ref FROM deliveries")
    assert row is not None
    assert tuple(row) == ("queued", None, None)
    lease = timedelta(seconds=15)
    [claimed] = await store.claim(pool, "w", "sms", now, provider="twilio_fallback", lease=lease, limit=5)
    await told(caller, report("undelivered", ErrorCode="30003"), query)
    sent = Outcome(
        id=delivery, status="sent", outcome="accepted", provider=claimed.provider, provider_ref="SM2"
    )
    assert await store.finish(pool, "w", [sent], now) == {delivery}
    assert await status(pool) == "sent"
    await told(caller, report("delivered", "SM2", AccountSid=OTHER_ACCOUNT), query, token=OTHER_TOKEN)
    assert await status(pool) == "delivered"


async def test_a_failure_that_is_known_before_the_name_of_the_attempt_stays(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    now = SystemClock().now()
    await pool.execute("UPDATE deliveries SET status = 'sending', provider_ref = NULL, owner = 'w'")
    await told(caller, report("failed", ErrorCode="30003"), f"?delivery={delivery}")
    sent = Outcome(id=delivery, status="sent", outcome="accepted", provider="twilio", provider_ref="SM1")
    assert await Deliveries().finish(pool, "w", [sent], now) == {delivery}
    assert await status(pool) == "failed"


@pytest.mark.parametrize("query", ["", "?delivery=", "?delivery=none", f"?delivery={UUID(int=1)}"])
async def test_a_message_of_somebody_else_is_no_error(caller: Caller, pool: Pool, query: str) -> None:
    assert (await told(caller, report("delivered", sid="SM9"), query)).status == 200


async def test_a_number_that_opted_out_underway_is_remembered(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    await told(caller, report("failed", ErrorCode="21610"), f"?delivery={delivery}")
    assert await refused(pool) == {""}
    assert await status(pool) == "failed"


@pytest.mark.parametrize(
    "text", ["STOP", "stop", " Stop\n", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"]
)
async def test_stop_is_the_consent_of_the_number_taken_back_for_all_who_have_it(
    caller: Caller, pool: Pool, text: str
) -> None:
    await owned(pool, "ann", "anna")
    answer = await told(caller, written(text))
    assert (answer.status, answer.body) == (200, EMPTY)
    rows = await pool.fetch(
        "SELECT user_id, topic, allowed, source, detail FROM consent WHERE address = $1 ORDER BY user_id", ANN
    )
    assert [tuple(row) for row in rows] == [(user, "", False, "keyword", "SM7") for user in ("ann", "anna")]
    assert await pool.fetchval("SELECT count(*) FROM endpoints WHERE state = 'active'") == 2


async def test_a_number_nobody_has_is_remembered_all_the_same(caller: Caller, pool: Pool) -> None:
    await told(caller, written("STOP", number=BOB))
    assert await refused(pool, BOB) == {""}
    assert not await pool.fetchval("SELECT bool_or(consent::text LIKE $1) FROM consent", f"%{BOB}%")
    await told(caller, written("YES", "SM8", number=BOB))
    assert await refused(pool, BOB) == frozenset()


@pytest.mark.parametrize("text", ["Please stop", "STOP it", "HELP", "INFO", "hello", "", "END of story"])
async def test_other_words_change_nothing(caller: Caller, pool: Pool, text: str) -> None:
    await owned(pool, "ann")
    assert (await told(caller, written(text))).status == 200
    assert await pool.fetchval("SELECT count(*) FROM consent") == 0


@pytest.mark.parametrize("text", ["START", "unstop", "Yes"])
async def test_start_gives_back_what_stop_took(caller: Caller, pool: Pool, text: str) -> None:
    await owned(pool, "ann")
    await told(caller, written("STOP", "SM1"))
    await told(caller, written(text, "SM2"))
    assert await refused(pool) == frozenset()


async def test_start_leaves_what_was_refused_by_topic(caller: Caller, pool: Pool) -> None:
    entry = NewConsent(channel="sms", address=ANN, allowed=False, source="link", topic="tips")
    await ConsentLedger().add(pool, entry, SystemClock().now())
    await told(caller, written("STOP", "SM1"))
    await told(caller, written("START", "SM2"))
    assert await refused(pool) == {"tips"}


async def test_yes_is_an_answer_to_anything_and_takes_back_no_other_refusal(
    caller: Caller, pool: Pool
) -> None:
    entry = NewConsent(channel="sms", address=ANN, allowed=False, source="link")
    await ConsentLedger().add(pool, entry, SystemClock().now())
    await told(caller, written("YES"))
    assert await refused(pool) == {""}


@pytest.mark.parametrize(("kind", "expected"), [("STOP", {""}), ("HELP", set()), ("START", set())])
async def test_where_a_service_has_its_own_words_it_says_what_they_mean(
    caller: Caller, pool: Pool, kind: str, expected: set[str]
) -> None:
    await told(caller, written("ARRET", OptOutType=kind))
    assert await refused(pool) == expected


async def test_a_replayed_start_does_not_undo_a_later_stop(caller: Caller, pool: Pool) -> None:
    await owned(pool, "ann")
    await told(caller, written("START", "SM1"))
    await told(caller, written("STOP", "SM2"))
    await told(caller, written("START", "SM1"))
    assert await refused(pool) == {""}
    await pool.execute("DELETE FROM webhook_ids")  # as after two weeks
    await told(caller, written("START", "SM1"))
    assert await refused(pool) == {""}
    assert await pool.fetchval("SELECT count(*) FROM consent") == 2


@pytest.mark.parametrize("number", ["whatsapp:+15551234567", "HUB", ""])
async def test_what_is_no_number_refuses_nothing(caller: Caller, pool: Pool, number: str) -> None:
    assert (await told(caller, written("STOP", number=number))).status == 200
    assert await pool.fetchval("SELECT count(*) FROM consent") == 0
