"""POST /webhooks/resend: who may speak there, and what follows from what is said."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from bus.memory import MemoryBus
from bus.telemetry import UNSENT
from ops.simulators.svix import Svix
from schemas.clock import SystemClock
from schemas.db import Pool
from tests.gateways.http.served import Answered, Caller, gateway_on, serving
from tests.gateways.webhooks.taken import taken
from tests.simulated import NOBODY, WEBHOOK_SECRET, FakeClock

PATH = "/webhooks/resend"
ADDRESS = "ann@example.com"


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(gateway.config, webhook_secrets={"resend": WEBHOOK_SECRET})
        async with serving(replace(gateway, config=config)) as nobody:
            yield nobody


@pytest.fixture
async def delivery(pool: Pool) -> UUID:
    """A delivery that Resend took under the name `re_1`."""
    return await taken(pool, "email", ADDRESS, "resend", "re_1")


def event(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": {"email_id": "re_1", "to": [ADDRESS], **data}}


def signed(content: object, webhook: str = "msg_1", secret: str = WEBHOOK_SECRET) -> dict[str, Any]:
    body = content if isinstance(content, bytes) else orjson.dumps(content)
    return {"data": body, "headers": Svix(NOBODY, secret, SystemClock()).signed(webhook, body)}


async def told(caller: Caller, content: object, webhook: str = "msg_1") -> Answered:
    return await caller.post(PATH, **signed(content, webhook))


async def status(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT status FROM deliveries"))


async def test_what_was_delivered_is_noted(caller: Caller, pool: Pool, delivery: UUID) -> None:
    answer = await told(caller, event("email.delivered"))
    assert (answer.status, answer.json) == (200, {"duplicate": False})
    assert await status(pool) == "delivered"


async def test_a_webhook_is_handled_once(caller: Caller, pool: Pool, delivery: UUID) -> None:
    bounce = event("email.bounced", bounce={"type": "Permanent", "message": "nobody there"})
    assert (await told(caller, bounce)).json == {"duplicate": False}
    assert (await told(caller, bounce)).json == {"duplicate": True}
    assert await pool.fetchval("SELECT count(*) FROM consent") == 1
    assert await pool.fetchval("SELECT count(*) FROM delivery_attempts") == 1


async def test_a_final_state_is_not_left_again(caller: Caller, pool: Pool, delivery: UUID) -> None:
    for n, kind in enumerate(("email.clicked", "email.delivered", "email.opened")):
        await told(caller, event(kind), f"msg_{n}")
    assert await status(pool) == "clicked"
    await told(caller, event("email.bounced", bounce={"type": "Permanent"}), "msg_8")
    await told(caller, event("email.delivered"), "msg_9")
    assert await status(pool) == "bounced"


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (event("email.bounced", bounce={"type": "Permanent", "message": "nobody"}), "bounce"),
        (event("email.complained"), "complaint"),
        (event("email.suppressed"), "suppressed"),
    ],
)
async def test_who_must_not_be_written_to_is_remembered(
    caller: Caller, pool: Pool, delivery: UUID, content: object, source: str
) -> None:
    await told(caller, content)
    row = await pool.fetchrow("SELECT channel, address, topic, allowed, source, user_id FROM consent")
    assert row is not None
    assert tuple(row) == ("email", ADDRESS, "", False, source, "ann")


async def test_a_full_mailbox_refuses_nothing_for_good(caller: Caller, pool: Pool, delivery: UUID) -> None:
    await told(caller, event("email.bounced", bounce={"type": "Transient", "message": "full"}))
    assert await pool.fetchval("SELECT count(*) FROM consent") == 0
    assert await status(pool) == "bounced"


async def test_what_bounced_is_counted_once(caller: Caller, delivery: UUID) -> None:
    counter = UNSENT.labels("email", "bounced", "reported")
    before = counter._value.get()
    bounce = event("email.bounced", bounce={"type": "Transient", "message": "full"})
    for _ in range(2):
        await told(caller, bounce)
    await told(caller, event("email.delivered"), "msg_2")
    assert counter._value.get() - before == 1


async def test_it_may_come_before_the_answer_to_the_call_was_noted(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    await pool.execute("UPDATE deliveries SET status = 'sending', provider_ref = NULL, owner = 'd1'")
    await told(caller, event("email.delivered", tags={"delivery": str(delivery)}))
    row = await pool.fetchrow("SELECT status, provider_ref, owner FROM deliveries")
    assert row is not None
    assert tuple(row) == ("delivered", "re_1", "d1")


@pytest.mark.parametrize("content", [event("email.scheduled"), event("contact.created"), event("new.kind")])
async def test_what_means_nothing_here_is_taken_all_the_same(
    caller: Caller, pool: Pool, delivery: UUID, content: object
) -> None:
    assert (await told(caller, content)).status == 200
    assert await status(pool) == "sent"


async def test_a_mail_of_somebody_else_is_no_error(caller: Caller, pool: Pool) -> None:
    assert (await told(caller, event("email.delivered", email_id="other"))).status == 200


async def test_a_forged_one_is_refused(caller: Caller, pool: Pool, delivery: UUID) -> None:
    other = signed(event("email.bounced", bounce={"type": "Permanent"}), secret="whsec_b3RoZXI=")
    assert (await caller.post(PATH, **other)).status == 401
    changed = signed(event("email.delivered"))
    changed["data"] = orjson.dumps(event("email.complained"))
    assert (await caller.post(PATH, **changed)).status == 401
    assert await status(pool) == "sent"
    assert await pool.fetchval("SELECT count(*) FROM webhook_ids") == 0


@pytest.mark.parametrize("missing", ["svix-id", "svix-timestamp", "svix-signature"])
async def test_one_that_is_not_signed_is_refused(caller: Caller, missing: str) -> None:
    given = signed(event("email.delivered"))
    del given["headers"][missing]
    assert (await caller.post(PATH, **given)).status == 401


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b""])
async def test_a_forged_one_is_not_told_what_is_wrong_with_its_body(caller: Caller, body: bytes) -> None:
    assert (await caller.post(PATH, **signed(body, secret="whsec_b3RoZXI="))).status == 401
    stale = signed(body, secret="whsec_b3RoZXI=")
    stale["headers"]["svix-timestamp"] = "1000000000"
    assert (await caller.post(PATH, **stale)).status == 401


async def test_the_signature_counts_and_not_what_the_body_calls_itself(
    caller: Caller, pool: Pool, delivery: UUID
) -> None:
    given = signed(event("email.delivered"))
    given["headers"]["Content-Type"] = "text/plain"
    assert (await caller.post(PATH, **given)).status == 200
    assert await status(pool) == "delivered"


async def test_while_the_secret_changes_one_right_signature_is_enough(caller: Caller) -> None:
    given = signed(event("email.delivered"))
    right = given["headers"]["svix-signature"]
    given["headers"]["svix-signature"] = f"v1,b3RoZXI= v2 {right}"
    assert (await caller.post(PATH, **given)).status == 200
    given["headers"]["svix-signature"] = right.replace("v1,", "v2,")
    assert (await caller.post(PATH, **given)).status == 401


async def test_an_id_that_is_too_long_is_broken(caller: Caller) -> None:
    assert (await told(caller, event("email.delivered"), "m" * 201)).status == 400


async def test_what_is_noted_of_a_bounce_has_no_address(caller: Caller, pool: Pool, delivery: UUID) -> None:
    message = "550 <Ann@Example.com>: forwarded to ann.private@example.org, " + "x" * 300
    await told(caller, event("email.bounced", bounce={"type": "Permanent", "message": message}))
    for table in ("consent", "delivery_attempts"):
        detail = await pool.fetchval(f"SELECT detail FROM {table}")
        assert detail.startswith("550 <A…@Example.com>: forwarded to a…@example.org, x"), table
        assert len(detail) == 300


async def test_a_stale_one_is_refused(caller: Caller) -> None:
    body = orjson.dumps(event("email.delivered"))
    long_ago = FakeClock(datetime(2001, 9, 9, tzinfo=UTC))
    headers = Svix(NOBODY, WEBHOOK_SECRET, long_ago).signed("msg_1", body)
    assert (await caller.post(PATH, data=body, headers=headers)).status == 400


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'{"type": "email.sent"}'])
async def test_what_is_no_webhook_is_broken(caller: Caller, body: bytes) -> None:
    assert (await told(caller, body)).status == 400


async def test_without_an_account_there_is_no_such_door(database: str, pool: Pool) -> None:
    async with gateway_on(database, pool, MemoryBus()) as gateway, serving(gateway) as nobody:
        assert (await told(nobody, event("email.delivered"))).status == 404
