"""POST /webhooks/twilio: who may speak there."""

from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

import pytest

from bus.memory import MemoryBus
from schemas.db import Pool
from schemas.ids import uuid7
from tests.gateways.http.served import Caller, gateway_on, serving
from tests.gateways.webhooks.by_twilio import PATH, PUBLIC, SECRETS, door, report, signed, status, told
from tests.gateways.webhooks.taken import taken
from tests.simulated_twilio import ANN


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with door(database, pool) as nobody:
        yield nobody


@pytest.fixture
async def delivery(pool: Pool) -> UUID:
    """A delivery that Twilio took under the name `SM1`."""
    return await taken(pool, "sms", ANN, "twilio", "SM1")


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


async def test_the_signature_counts_and_not_what_the_form_calls_itself(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    given = signed(report("delivered"))
    given["headers"]["Content-Type"] = "application/json"
    assert (await caller.post(PATH, **given)).status == 200
    assert await status(pool) == "delivered"


async def test_without_an_account_there_is_no_such_door(database: str, pool: Pool) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway, serving(gateway) as nobody:
        assert (await told(nobody, report("delivered"))).status == 404
