"""POST /webhooks/twilio: who may speak there, and what follows from what is said."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from twilio.request_validator import RequestValidator

from bus.memory import MemoryBus
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.users import Users
from tests.gateways.http.served import Answered, Caller, gateway_on, serving
from tests.gateways.webhooks.taken import taken
from tests.simulated_twilio import ACCOUNT, ANN, BOB, TOKEN

PUBLIC = "https://hub.example.com"
PATH = "/webhooks/twilio"
OTHER_TOKEN = "the token of the second account.."
SECRETS = {"twilio": TOKEN, "twilio_fallback": OTHER_TOKEN}
OTHER_ACCOUNT = "AC" + "9" * 32
ACCOUNTS = {"twilio": ACCOUNT, "twilio_fallback": OTHER_ACCOUNT}
EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><Response />'


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(
            gateway.config, webhook_secrets=SECRETS, webhook_accounts=ACCOUNTS, public_url=PUBLIC
        )
        async with serving(replace(gateway, config=config)) as nobody:
            yield nobody


@pytest.fixture
async def delivery(pool: Pool) -> UUID:
    """A delivery that Twilio took under the name `SM1`."""
    return await taken(pool, "sms", ANN, "twilio", "SM1")


def report(status: str, sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": status, "To": ANN, "AccountSid": ACCOUNT, **more}


def written(text: str, sid: str = "SM7", number: str = ANN, **more: str) -> dict[str, str]:
    return {
        "MessageSid": sid,
        "SmsStatus": "received",
        "From": number,
        "Body": text,
        "FromCity": "",
        "AccountSid": ACCOUNT,
        **more,
    }


def signed(
    form: Mapping[str, str],
    query: str = "",
    *,
    token: str = TOKEN,
    at: str = PUBLIC,
    algorithm: str | None = None,
) -> dict[str, Any]:
    """The call as Twilio makes it, by its own library."""
    url = f"{at}{PATH}{query}"
    signature = RequestValidator(token).compute_signature(url, dict(form), algorithm)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": signature,
    }
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
    return {"data": urlencode(form).encode(), "headers": headers}


async def told(caller: Caller, form: Mapping[str, str], query: str = "", **options: Any) -> Answered:
    return await caller.post(PATH + query, **signed(form, query, **options))


async def status(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT status FROM deliveries"))


async def refused(pool: Pool, number: str = ANN) -> frozenset[str]:
    return (await ConsentLedger().refused(pool, [("sms", number)])).get(("sms", number), frozenset())


async def owned(pool: Pool, *users: str) -> None:
    """People who have Ann's number."""
    for user in users:
        await Users().put(pool, user, Profile(phone=ANN))


async def test_what_was_delivered_is_noted_and_nothing_is_said_to_it(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    answer = await told(caller, report("delivered"))
    assert (answer.status, answer.body) == (200, EMPTY)
    assert answer.headers["Content-Type"].startswith("text/xml")
    assert await status(pool) == "delivered"


@pytest.mark.parametrize("sid", [OTHER_ACCOUNT, "", None])
async def test_what_is_told_of_another_account_changes_nothing(
    caller: Caller, pool: Pool, delivery: UUID, sid: str | None
) -> None:
    form = report("delivered")
    form = (
        {**form, "AccountSid": sid}
        if sid is not None
        else {k: v for k, v in form.items() if k != "AccountSid"}
    )
    assert (await told(caller, form)).status == 401
    assert await status(pool) == "sent"


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


@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
async def test_both_ways_to_sign_are_known(
    caller: Caller, pool: Pool, delivery: UUID, algorithm: str
) -> None:
    assert (await told(caller, report("delivered"), algorithm=algorithm)).status == 200
    assert await status(pool) == "delivered"


async def test_a_signature_of_the_other_kind_is_none(caller: Caller) -> None:
    given = signed(report("delivered"), algorithm="HMAC_SHA256")
    for said in ("key=1,algorithm=HMAC_SHA1", "key=1,algorithm=NONE", ""):
        given["headers"]["X-Twilio-Webhooks-Signature-Settings"] = said
        assert (await caller.post(PATH, **given)).status == 401


async def test_a_forged_one_is_refused(caller: Caller, pool: Pool, delivery: UUID) -> None:
    assert (await told(caller, report("undelivered"), token="other")).status == 401
    changed = signed(report("delivered"))
    changed["data"] = urlencode(report("undelivered")).encode()
    assert (await caller.post(PATH, **changed)).status == 401
    more = signed(report("delivered"))
    more["data"] += b"&ErrorCode=21610"
    assert (await caller.post(PATH, **more)).status == 401
    unsigned = signed(report("delivered"))
    del unsigned["headers"]["X-Twilio-Signature"]
    assert (await caller.post(PATH, **unsigned)).status == 401
    assert await status(pool) == "sent"
    assert await pool.fetchval("SELECT count(*) FROM webhook_ids") == 0


async def test_the_delivery_that_is_named_is_signed_too(caller: Caller, pool: Pool, delivery: UUID) -> None:
    given = signed(report("undelivered"), f"?delivery={uuid7()}")
    assert (await caller.post(f"{PATH}?delivery={delivery}", **given)).status == 401
    assert (await caller.post(PATH, **given)).status == 401


@pytest.mark.parametrize("at", ["http://hub.example.com", "https://other.example.com"])
async def test_only_the_public_address_is_signed_for(caller: Caller, at: str) -> None:
    given = signed(report("delivered"), at=at)
    given["headers"] |= {"Host": at.partition("//")[2], "X-Forwarded-Proto": at.partition(":")[0]}
    assert (await caller.post(PATH, **given)).status == 401


async def test_a_signature_may_name_the_usual_port(caller: Caller) -> None:
    assert (await told(caller, report("delivered"), at=f"{PUBLIC}:443")).status == 200


async def test_without_a_public_address_only_this_machine_is_one(database: str, pool: Pool) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(gateway.config, webhook_secrets=SECRETS)
        async with serving(replace(gateway, config=config)) as nobody:
            assert (await told(nobody, report("delivered"), at=nobody.url)).status == 200
            given = signed(report("delivered"))
            given["headers"]["Host"] = "hub.example.com"
            answer = await nobody.post(PATH, **given)
            assert (answer.status, "HUB_PUBLIC_URL" in answer.json["detail"]) == (404, True)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff=\xff", b"=", b"&" * 1000, b"a=%ff", b"{}", b"a=1&" * 1000, b"MessageSid=%ed%a0%80"],
)
async def test_what_nobody_signed_is_not_told_what_is_wrong_with_it(caller: Caller, body: bytes) -> None:
    given = signed(report("delivered"), token="other")
    assert (await caller.post(PATH, **{**given, "data": body})).status == 401


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": ""},
        {"MessageSid": "SM1;drop", "MessageStatus": "sent"},
        {"MessageSid": "S" * 65},
        {"MessageSid": "SM1", "MessageStatus": "s" * 33},
        {"MessageSid": "SM1", "MessageStatus": ""},
    ],
)
async def test_what_is_no_webhook_is_broken(caller: Caller, form: dict[str, str]) -> None:
    assert (await told(caller, form)).status == 400


async def test_a_form_cannot_name_the_delivery_or_the_account(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    await told(caller, report("failed", sid="SM9", delivery=str(delivery), account="resend"))
    assert await status(pool) == "sent"


async def test_json_is_not_taken(caller: Caller) -> None:
    given = signed(report("delivered"))
    given["headers"]["Content-Type"] = "application/json"
    assert (await caller.post(PATH, **given)).status == 415


async def test_without_an_account_there_is_no_such_door(database: str, pool: Pool) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway, serving(gateway) as nobody:
        assert (await told(nobody, report("delivered"))).status == 404
