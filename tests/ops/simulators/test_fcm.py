"""The simulator of FCM, asked as others will ask it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import jwt
import orjson
import pytest
from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.simulated_fcm import Fcm, fcm_simulated

SEND = "/v1/projects/demo/messages:send"
MESSAGE = {"token": "device-1", "notification": {"title": "Hello", "body": "Hi"}, "data": {"delivery": "d"}}
HEADERS = {"Authorization": "Bearer owner"}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
async def fcm() -> AsyncIterator[Fcm]:
    async with fcm_simulated() as running:
        yield running


@pytest.fixture
async def session(fcm: Fcm) -> AsyncIterator[ClientSession]:
    async with ClientSession(fcm.url, headers=HEADERS) as found:
        yield found


async def send(session: ClientSession, **changes: Any) -> tuple[int, dict[str, Any]]:
    async with session.post(SEND, json={"message": MESSAGE | changes}) as answer:
        return answer.status, await answer.json()


def code(told: dict[str, Any]) -> str:
    (found,) = (one["errorCode"] for one in told["error"]["details"] if "errorCode" in one)
    return str(found)


async def test_what_arrived_is_listed_by_address_and_forgotten_on_demand(session: ClientSession) -> None:
    for target in ({"token": "device-1"}, {"token": None, "fid": "installation-1"}):
        status, told = await send(session, **target)
        assert status == 200
        assert told["name"].startswith("projects/demo/messages/")
    async with session.get("/_sim/messages", params={"address": "installation-1"}) as answer:
        (found,) = await answer.json()
    assert (found["address"], found["subject"], found["text"]) == ("installation-1", "Hello", "Hi")
    assert found["raw"]["message"]["data"] == {"delivery": "d"}
    async with session.delete("/_sim/messages") as answer:
        assert answer.status == 200
    async with session.get("/_sim/messages") as answer:
        assert await answer.json() == []


async def test_a_dry_run_delivers_nothing(session: ClientSession, fcm: Fcm) -> None:
    async with session.post(SEND, json={"message": MESSAGE, "validate_only": True}) as answer:
        assert answer.status == 200
    assert fcm.messages == []


@pytest.mark.parametrize(
    ("mode", "status", "said"),
    [
        ("gone", 404, "UNREGISTERED"),
        ("sender_mismatch", 403, "SENDER_ID_MISMATCH"),
        ("quota", 429, "QUOTA_EXCEEDED"),
        ("reject", 400, "INVALID_ARGUMENT"),
        ("flaky", 500, "INTERNAL"),
        ("down", 503, "UNAVAILABLE"),
    ],
)
async def test_each_mode_answers_as_google_does_and_only_for_its_address(
    session: ClientSession, fcm: Fcm, mode: str, status: int, said: str
) -> None:
    async with session.post("/_sim/behaviour", json={"address": "device-1", "mode": mode}) as answer:
        assert answer.status == 200
    found, told = await send(session)
    assert (found, code(told)) == (status, said)
    assert told["error"]["code"] == status
    assert (await send(session, token="device-2"))[0] == 200
    assert [one.address for one in fcm.messages] == ["device-2"]


@pytest.mark.parametrize("address", ["device-1", None])
async def test_too_much_is_said_of_the_device_or_of_the_project(
    session: ClientSession, fcm: Fcm, address: str | None
) -> None:
    fcm.behave("quota", address)
    async with session.post(SEND, json={"message": MESSAGE}) as answer:
        told = await answer.json()
        assert answer.headers["Retry-After"] == "5"
    (violation,) = told["error"]["details"][1]["violations"]
    assert violation["subject"].startswith("device:" if address else "project:")


async def test_every_second_time_flaky_works(session: ClientSession, fcm: Fcm) -> None:
    fcm.behave("flaky")
    assert [(await send(session))[0] for _ in range(4)] == [500, 200, 500, 200]


@pytest.mark.parametrize(("mode", "arrived"), [("timeout", 0), ("timeout_after", 1)])
async def test_silence_comes_before_or_after_the_message_was_taken(
    session: ClientSession, fcm: Fcm, mode: str, arrived: int
) -> None:
    fcm.behave("timeout" if mode == "timeout" else "timeout_after")
    with pytest.raises((asyncio.TimeoutError, ClientError)):
        async with session.post(SEND, json={"message": MESSAGE}, timeout=ClientTimeout(total=0.3)):
            pass
    assert len(fcm.messages) == arrived


async def test_a_slow_answer_comes(session: ClientSession, fcm: Fcm) -> None:
    fcm.behave("slow", times=1)
    assert (await send(session))[0] == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token": None}, "message"),
        ({"fid": "both"}, "message"),
        ({"odd": 1}, "message"),
        ({"token": '{"endpoint": "https://push.example.com"}'}, "message.token"),
        ({"data": {"n": 1}}, "message.data[n].value"),
        ({"android": {"ttl": "60"}}, "message.android.ttl"),
        ({"apns": {"headers": {"apns-collapse-id": "x" * 65}}}, "message.apns.headers"),
        ({"webpush": {"headers": {"Topic": "x" * 33}}}, "message.webpush.headers"),
        ({"webpush": {"fcm_options": {"link": "http://a"}}}, "message.webpush.fcm_options.link"),
        ({"data": {"text": "x" * 4096}}, "message"),
    ],
)
async def test_what_the_real_one_refuses_is_refused(
    session: ClientSession, fcm: Fcm, changes: dict[str, Any], field: str
) -> None:
    status, told = await send(session, **changes)
    assert status == 400
    (violation,) = told["error"]["details"][1]["fieldViolations"]
    assert violation["field"] == field
    assert fcm.messages == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message": 1}'])
async def test_what_holds_no_message_is_refused(session: ClientSession, body: bytes) -> None:
    async with session.post(SEND, data=body) as answer:
        assert answer.status == 400


async def test_who_shows_no_token_is_refused(session: ClientSession) -> None:
    async with session.post(SEND, json={"message": MESSAGE}, headers={"Authorization": "Bearer x"}) as answer:
        assert answer.status == 401
        assert (await answer.json())["error"]["status"] == "UNAUTHENTICATED"


async def test_nothing_comes_in_from_devices(session: ClientSession) -> None:
    async with session.post("/_sim/inbound", json={"text": "hi"}) as answer:
        assert answer.status == 422


def assertion(fcm: Fcm, **changes: Any) -> dict[str, str]:
    account = orjson.loads(fcm.credentials)
    now = int(fcm.simulator.clock.now().timestamp())
    claims = {
        "iss": account["client_email"],
        "aud": "https://oauth2.googleapis.com/token",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "iat": now,
        "exp": now + 3600,
    }
    signed = jwt.encode(claims | changes, account["private_key"], algorithm="RS256")
    return {"grant_type": GRANT, "assertion": signed}


async def test_a_signed_assertion_gets_a_token_that_counts(session: ClientSession, fcm: Fcm) -> None:
    async with session.post("/token", data=assertion(fcm)) as answer:
        told = await answer.json()
    assert (answer.status, told["token_type"], told["expires_in"]) == (200, "Bearer", 3599)
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    async with session.post(SEND, json={"message": MESSAGE}, headers=bearer) as answer:
        assert answer.status == 200
    fcm.simulator.tokens.revoke()
    async with session.post(SEND, json={"message": MESSAGE}, headers=bearer) as answer:
        assert answer.status == 401


@pytest.mark.parametrize(
    "changes", [{"exp": 1}, {"exp": 4_000_000_000}, {"aud": "https://example.com"}, {"scope": "mail"}]
)
async def test_an_assertion_that_google_would_not_take_gets_none(
    session: ClientSession, fcm: Fcm, changes: dict[str, Any]
) -> None:
    async with session.post("/token", data=assertion(fcm, **changes)) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"] == "invalid_grant"


@pytest.mark.parametrize(("mode", "status"), [("down", 503), ("reject", 400)])
async def test_the_token_endpoint_misbehaves_by_its_own_address(
    session: ClientSession, fcm: Fcm, mode: str, status: int
) -> None:
    fcm.behave("down" if mode == "down" else "reject", "oauth2.googleapis.com", times=1)
    async with session.post("/token", data=assertion(fcm)) as answer:
        assert answer.status == status
    async with session.post("/token", data=assertion(fcm)) as answer:
        assert answer.status == 200
