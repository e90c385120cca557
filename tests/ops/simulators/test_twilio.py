"""The simulator of Twilio, asked as others will ask it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientSession, ClientTimeout, encode_basic_auth, web
from twilio.request_validator import RequestValidator
from yarl import URL

from tests.routing.channels.serving import serving
from tests.simulated_twilio import ACCOUNT, ANN, BOB, SERVICE, TOKEN, Twilio, twilio_simulated
from tests.waiting import until

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
SMS = {"To": ANN, "Body": "Hi", "MessagingServiceSid": SERVICE}
PUBLIC = "https://hub.example.com"


def known(name: str = ACCOUNT, token: str = TOKEN) -> dict[str, str]:
    return {"Authorization": encode_basic_auth(name, token)}


@dataclass
class Hub:
    """What was told to a hub, and whether Twilio's library finds it signed."""

    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    known_as: str = ""

    async def take(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl(await request.text(), keep_blank_values=True))
        url = (self.known_as or f"http://{request.host}") + request.raw_path
        signature = request.headers["X-Twilio-Signature"]
        assert RequestValidator(TOKEN).validate(url, form, signature)
        self.calls.append((request.raw_path, form))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


async def told(hub: Hub, times: int) -> None:
    async def enough() -> bool:
        return len(hub.calls) >= times

    await until(enough)


@asynccontextmanager
async def telling(hub: Hub) -> AsyncIterator[tuple[Twilio, ClientSession, str]]:
    async with (
        serving(hub.take) as url,
        twilio_simulated(hub_url=url, public_url=hub.known_as or None) as twilio,
        ClientSession(twilio.url, headers=known()) as session,
    ):
        yield twilio, session, url


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    async with twilio_simulated() as running:
        yield running


@pytest.fixture
async def session(twilio: Twilio) -> AsyncIterator[ClientSession]:
    async with ClientSession(twilio.url, headers=known()) as found:
        yield found


async def posted(session: ClientSession, path: str, **options: Any) -> tuple[int, Any]:
    async with session.post(path, **options) as answer:
        return answer.status, await answer.json()


async def test_a_message_is_answered_as_twilio_does_and_listed(session: ClientSession) -> None:
    status, said = await posted(session, PATH, data=SMS)
    assert (status, said["status"], said["to"], said["messaging_service_sid"]) == (
        201,
        "accepted",
        ANN,
        SERVICE,
    )
    async with session.get("/_sim/messages", params={"address": ANN}) as answer:
        (found,) = await answer.json()
    assert (found["id"], found["address"], found["text"]) == (said["sid"], ANN, "Hi")
    async with session.get("/_sim/messages", params={"address": BOB}) as answer:
        assert await answer.json() == []


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "0555"}, 21211),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"MessagingServiceSid": ""}, 21603),
        ({"StatusCallback": "http://my_hub.example.com/x"}, 21609),
        ({"StatusCallback": "/x"}, 21609),
        ({"ValidityPeriod": "36001"}, 20001),
        ({"ValidityPeriod": "0"}, 20001),
    ],
)
async def test_what_twilio_does_not_take_is_refused(
    session: ClientSession, changed: dict[str, str], code: int
) -> None:
    status, said = await posted(session, PATH, data=SMS | changed)
    assert (status, said["code"], said["status"]) == (400, code, 400)
    assert said["more_info"].endswith(f"/{code}")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        known(token="wrong"),
        known(name="AC1"),
        {"Authorization": "Bearer x"},
        {"Authorization": "Basic ?"},
    ],
)
async def test_who_is_not_known_is_refused(twilio: Twilio, headers: dict[str, str]) -> None:
    async with ClientSession(twilio.url, headers=headers) as session:
        status, said = await posted(session, PATH, data=SMS)
    assert (status, said["code"]) == (401, 20003)


async def test_the_account_of_another_is_not_found(session: ClientSession) -> None:
    status, said = await posted(session, PATH.replace(ACCOUNT, "AC1"), data=SMS)
    assert (status, said["code"]) == (404, 20404)


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [("gone", 400, 21614), ("reject", 400, 21408), ("quota", 429, 20429), ("down", 503, 20503)],
)
async def test_each_mode_is_what_twilio_would_do(
    session: ClientSession, twilio: Twilio, mode: str, status: int, code: int
) -> None:
    assert await posted(session, "/_sim/behaviour", json={"address": ANN, "mode": mode, "times": 1})
    found, said = await posted(session, PATH, data=SMS)
    assert (found, said["code"]) == (status, code)
    assert twilio.messages == []
    assert (await posted(session, PATH, data=SMS))[0] == 201
    assert (await posted(session, PATH, data=SMS | {"To": BOB}))[0] == 201


async def test_flaky_refuses_every_second_one_for_sure(session: ClientSession, twilio: Twilio) -> None:
    twilio.behave("flaky")
    answers = [await posted(session, PATH, data=SMS) for _ in range(4)]
    assert [(status, said.get("code")) for status, said in answers] == [(503, 20503), (201, None)] * 2
    assert len(twilio.messages) == 2


async def test_a_number_is_found_whose_plus_was_not_encoded(session: ClientSession) -> None:
    await posted(session, PATH, data=SMS)
    for query in (ANN, ANN.replace("+", "%2B")):
        async with session.get(URL(f"/_sim/messages?address={query}", encoded=True)) as answer:
            (found,) = await answer.json()
        assert found["address"] == ANN


@pytest.mark.parametrize(("mode", "taken"), [("timeout", 0), ("timeout_after", 1)])
async def test_silence_comes_before_or_after_a_message_is_taken(
    session: ClientSession, twilio: Twilio, mode: Any, taken: int
) -> None:
    twilio.behave(mode)
    with pytest.raises(TimeoutError):
        await session.post(PATH, data=SMS, timeout=ClientTimeout(total=0.3))
    assert len(twilio.messages) == taken


async def test_a_slow_one_is_taken_late(session: ClientSession, twilio: Twilio) -> None:
    twilio.behave("slow", ANN)
    began = time.monotonic()
    assert (await posted(session, PATH, data=SMS))[0] == 201
    assert time.monotonic() - began > 1.5


async def test_what_became_of_a_message_is_told_to_its_own_address_and_signed() -> None:
    hub = Hub()
    async with telling(hub) as (_, session, url):
        _, said = await posted(
            session, PATH, data=SMS | {"StatusCallback": f"{url}/webhooks/twilio?delivery=7"}
        )
        await told(hub, 3)
    assert {path for path, _ in hub.calls} == {"/webhooks/twilio?delivery=7"}
    assert {form["MessageStatus"] for _, form in hub.calls} == {"queued", "sent", "delivered"}
    assert {form["MessageSid"] for _, form in hub.calls} == {said["sid"]}


async def test_a_hub_that_fails_is_told_again() -> None:
    hub = Hub(statuses=[500, 503])
    async with telling(hub) as (_, session, url):
        await posted(session, PATH, data=SMS | {"StatusCallback": f"{url}/x"})
        await told(hub, 5)


async def test_a_hub_with_a_public_address_is_told_where_it_listens_here() -> None:
    hub = Hub(known_as=PUBLIC)
    async with telling(hub) as (_, session, _url):
        await posted(session, PATH, data=SMS | {"StatusCallback": f"{PUBLIC}/webhooks/twilio?delivery=7"})
        await told(hub, 3)
        assert (await posted(session, "/_sim/inbound", json={"from": ANN, "text": "Hello"}))[0] == 200
    assert hub.calls[-1][0] == "/webhooks/twilio"


async def test_stop_is_heeded_told_and_answered_without_a_message_in_the_list() -> None:
    hub = Hub()
    async with telling(hub) as (twilio, session, _):
        said = await posted(session, "/_sim/inbound", json={"from": ANN, "text": " Stop "})
        assert said == (200, {"ok": True, "status": 200})
        (_, form) = hub.calls[0]
        assert (form["From"], form["Body"], "MessageStatus" in form) == (ANN, " Stop ", False)
        assert "OptOutType" not in form
        status, refused = await posted(session, PATH, data=SMS)
        assert (status, refused["code"]) == (400, 21610)
        await posted(session, "/_sim/inbound", json={"from": ANN, "text": "START"})
        assert (await posted(session, PATH, data=SMS))[0] == 201
        assert [one.text for one in twilio.messages] == ["Hi"]


async def test_a_service_with_words_of_its_own_says_what_they_mean() -> None:
    hub = Hub()
    async with telling(hub) as (twilio, session, _):
        said = {"from": ANN, "text": "ARRET", "opt_out_type": "STOP"}
        assert (await posted(session, "/_sim/inbound", json=said))[0] == 200
        assert hub.calls[0][1]["OptOutType"] == "STOP"
        assert twilio.simulator.opted_out == {ANN}


async def test_a_hub_that_is_not_there_is_said(session: ClientSession) -> None:
    said = await posted(session, "/_sim/inbound", json={"from": ANN, "text": "Hello"})
    assert said == (200, {"ok": False, "status": 0})


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "x"},
        {"from": "ann", "text": "x"},
        {"from": ANN},
        {"from": ANN, "text": "x", "opt_out_type": "odd"},
    ],
)
async def test_what_cannot_have_been_written_is_refused(session: ClientSession, wrong: object) -> None:
    assert (await posted(session, "/_sim/inbound", json=wrong))[0] == 422
