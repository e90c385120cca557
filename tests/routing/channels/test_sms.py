"""SMS against its simulator, and against servers that break, through the real library."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from aiohttp import web

from bus.telemetry import SMS_SEGMENTS, total
from ops.simulators.base import Mode
from routing.channels.base import Receipt, Rendered
from routing.channels.sms import SmsChannel, TwilioConfig
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    OptedOutError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from tests.routing.channels.serving import serving
from tests.simulated import FakeClock
from tests.simulated_twilio import ACCOUNT, ANN, BOB, SERVICE, TOKEN, Twilio, sms_at, twilio_simulated

MESSAGE = Rendered(title="Bob tipped you", text="Bob tipped you: Thanks https://hub.example.com/c/1")
CALL_S = 1.5


def endpoint(address: str = ANN) -> Endpoint:
    return Endpoint(id=uuid4(), channel="sms", address=address)


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    async with twilio_simulated() as running:
        yield running


@asynccontextmanager
async def channel_at(url: str, *, token: str = TOKEN, call_s: float = CALL_S) -> AsyncIterator[SmsChannel]:
    channel = sms_at(url, FakeClock(), call_s=call_s, auth_token=token)
    try:
        yield channel
    finally:
        await channel.close()


@pytest.fixture
async def channel(twilio: Twilio) -> AsyncIterator[SmsChannel]:
    async with channel_at(twilio.url) as found:
        yield found


@asynccontextmanager
async def answering(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[SmsChannel]:
    """A channel whose provider answers so, whatever it is asked."""
    async with serving(answer) as url, channel_at(url) as channel:
        yield channel


async def refused(status: int, text: str, **headers: str) -> DeliveryError:
    """What the channel makes of an answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=named)

    async with answering(answer) as channel:
        with pytest.raises(DeliveryError) as found:
            await channel.send(MESSAGE, endpoint(), key="k")
    return found.value


async def test_a_message_arrives_as_it_was_rendered(channel: SmsChannel, twilio: Twilio) -> None:
    receipt = await channel.send(MESSAGE, endpoint(), key="k1")
    (arrived,) = twilio.messages
    assert receipt == Receipt(arrived.id)
    assert (arrived.address, arrived.text) == (ANN, MESSAGE.text)
    assert arrived.raw["MessagingServiceSid"] == SERVICE
    assert arrived.raw["StatusCallback"].endswith("/webhooks/twilio?delivery=k1")
    assert "ValidityPeriod" not in arrived.raw


async def test_what_is_soon_of_no_use_is_kept_no_longer(channel: SmsChannel, twilio: Twilio) -> None:
    now = FakeClock().now()
    for after in (timedelta(minutes=10), timedelta(days=3)):
        message = Rendered(title="Live", text="Live", expires_at=now + after)
        await channel.send(message, endpoint(), key="k")
    assert [one.raw["ValidityPeriod"] for one in twilio.messages] == ["600", "36000"]


async def test_what_is_of_no_use_any_more_is_not_sent(channel: SmsChannel, twilio: Twilio) -> None:
    with pytest.raises(MessageRejectedError, match="expired"):
        await channel.send(
            Rendered(title="Live", text="Live", expires_at=FakeClock().now()), endpoint(), key="k"
        )
    assert twilio.messages == []


async def test_letters_of_all_kinds_arrive(channel: SmsChannel, twilio: Twilio) -> None:
    text = "Ünï & 100% = + 👩‍👩‍👧 „gut“; a=b&c=d?"
    await channel.send(Rendered(title="x", text=text), endpoint(), key="k")
    assert twilio.messages[0].text == text


@pytest.mark.parametrize(
    ("mode", "error", "said"),
    [
        ("gone", EndpointGoneError, "400 21614"),
        ("reject", MessageRejectedError, "400 21408"),
        ("quota", QuotaExceededError, "429 20429"),
        ("timeout", AmbiguousDeliveryError, "did not answer in time"),
        ("timeout_after", AmbiguousDeliveryError, "did not answer in time"),
        ("flaky", TransientDeliveryError, "503 20503"),
        ("down", TransientDeliveryError, "503 20503"),
    ],
)
async def test_each_refusal_says_what_to_do(
    channel: SmsChannel, twilio: Twilio, mode: Mode, error: type[DeliveryError], said: str
) -> None:
    twilio.behave(mode, ANN)
    with pytest.raises(error, match=said) as found:
        await channel.send(MESSAGE, endpoint(), key="k")
    assert type(found.value) is error
    assert ANN not in str(found.value)
    assert len(twilio.messages) == (1 if mode == "timeout_after" else 0)


async def test_a_number_that_opted_out_is_told_from_one_that_is_gone(
    channel: SmsChannel, twilio: Twilio
) -> None:
    twilio.simulator.opted_out.add(ANN)
    with pytest.raises(OptedOutError) as found:
        await channel.send(MESSAGE, endpoint(), key="k")
    assert not isinstance(found.value, EndpointGoneError)
    assert await channel.send(MESSAGE, endpoint(BOB), key="k")


async def test_a_quota_says_when_to_come_back(channel: SmsChannel, twilio: Twilio) -> None:
    twilio.behave("quota")
    with pytest.raises(QuotaExceededError) as found:
        await channel.send(MESSAGE, endpoint(), key="k")
    assert found.value.retry_after == timedelta(seconds=1)


async def test_a_wrong_token_is_ours_to_set_right(twilio: Twilio) -> None:
    async with channel_at(twilio.url, token="wrong") as channel:
        with pytest.raises(ChannelMisconfiguredError, match="401 20003"):
            await channel.send(MESSAGE, endpoint(), key="k")


async def test_nobody_at_the_address_has_not_taken_it() -> None:
    async with channel_at("http://127.0.0.1:9") as channel:
        with pytest.raises(TransientDeliveryError, match="cannot be reached"):
            await channel.send(MESSAGE, endpoint(), key="k")


async def test_a_failure_of_the_provider_is_not_repeated_by_the_library() -> None:
    calls = 0

    async def answer(_request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=500, text="no")

    async with answering(answer) as channel:
        with pytest.raises(AmbiguousDeliveryError):
            await channel.send(MESSAGE, endpoint(), key="k")
    assert calls == 1


async def test_a_connection_that_breaks_before_the_answer_is_ambiguous() -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with answering(answer) as channel:
        with pytest.raises(AmbiguousDeliveryError, match="broke"):
            await channel.send(MESSAGE, endpoint(), key="k")


@pytest.mark.parametrize("text", ["<html>", "", "[]", "null", '{"status": "queued"}'])
async def test_a_success_that_names_no_message_is_ambiguous(text: str) -> None:
    assert type(await refused(201, text)) is AmbiguousDeliveryError


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (400, '{"code": 21211, "message": "Invalid"}', EndpointGoneError),
        (400, '{"code": 21610, "message": "Unsubscribed"}', OptedOutError),
        # The newer form (RFC 9457), which the library reports as something else.
        (
            400,
            '{"type": "t", "title": "Unsubscribed", "status": 400, "code": 21610, "detail": "d"}',
            OptedOutError,
        ),
        (
            429,
            '{"type": "t", "title": "Too many", "status": 429, "code": 20429}',
            QuotaExceededError,
        ),
        (400, '{"code": 21408, "message": "Region"}', MessageRejectedError),
        (400, '{"code": 21705, "message": "Service"}', ChannelMisconfiguredError),
        (403, '{"code": 21408, "message": "Region"}', MessageRejectedError),
        (404, '{"code": 21619, "message": "Body"}', MessageRejectedError),
        (401, "", ChannelMisconfiguredError),
        (403, "<html>", ChannelMisconfiguredError),
        (404, '{"code": 20404, "message": "Account"}', ChannelMisconfiguredError),
        (307, "", ChannelMisconfiguredError),
        (429, "slow down", QuotaExceededError),
        (400, "<html>a proxy says no", AmbiguousDeliveryError),
        (502, "<html>Bad Gateway", AmbiguousDeliveryError),
        (503, "<html>upstream", AmbiguousDeliveryError),
        (500, '{"code": 20500, "message": "Internal"}', AmbiguousDeliveryError),
        (503, '{"code": 20503, "message": "Unavailable"}', TransientDeliveryError),
        (400, '["odd"]', AmbiguousDeliveryError),
        (400, '{"code": "21610"}', AmbiguousDeliveryError),
    ],
)
async def test_an_answer_is_read_by_its_code_and_else_by_its_status(
    status: int, text: str, error: type[DeliveryError]
) -> None:
    assert type(await refused(status, text)) is error


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("999999999999", timedelta(days=1)),
        ("Sat, 21 Nov 2026 12:01:00 GMT", timedelta(minutes=1)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", timedelta(seconds=1)),
        ("soon", timedelta(seconds=1)),
        ("-5", timedelta(seconds=1)),
    ],
)
async def test_the_time_to_wait_is_read_in_either_form(header: str, wait: timedelta) -> None:
    assert (await refused(429, "{}", Retry_After=header)).retry_after == wait


async def test_what_the_provider_says_is_short_and_names_nobody() -> None:
    said = str(await refused(400, f'{{"code": 21408, "message": "To {ANN} (555) 123-4567 {"x" * 400}"}}'))
    assert said.startswith("400 21408: To … ")
    assert "123" not in said
    assert len(said) == 300


async def test_neither_number_nor_text_nor_token_is_kept_or_logged(
    channel: SmsChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await channel.send(MESSAGE, endpoint(), key="k")
    assert not [one for one in caplog.messages if ANN in one or TOKEN in one or "tipped" in one]
    kept = str([vars(channel._http), repr(channel._config)])
    assert ANN not in kept
    assert "tipped" not in kept
    assert TOKEN not in repr(channel._config)


async def test_calls_share_their_connections() -> None:
    seen: set[object] = set()

    async def answer(request: web.Request) -> web.Response:
        seen.add(request.transport)
        return web.json_response({"sid": "SM1"}, status=201)

    async with answering(answer) as channel:
        for _ in range(5):
            await channel.send(MESSAGE, endpoint(), key="k")
        assert len(seen) == 1


async def test_a_channel_is_made_before_there_is_a_loop() -> None:
    def made() -> SmsChannel:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return sms_at("http://127.0.0.1:9", FakeClock())

    channel = await asyncio.to_thread(made)
    await channel.close()


async def test_an_edge_is_called_instead_and_the_environment_decides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    paths: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.json_response({"sid": "SM1"}, status=201)

    async with answering(answer) as channel:
        await channel.send(MESSAGE, endpoint(), key="k")
    assert paths == [f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"]
    edge = TwilioConfig(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        messaging_service_sid=SERVICE,
        status_url="https://hub.example.com/webhooks/twilio",
        base_url="https://api.dublin.ie1.twilio.com/",
    )
    assert SmsChannel(edge, FakeClock())._http._base == "https://api.dublin.ie1.twilio.com"


async def test_segments_are_counted_once_they_are_taken(channel: SmsChannel, twilio: Twilio) -> None:
    before = total(SMS_SEGMENTS)
    await channel.send(Rendered(title="x", text="x" * 161), endpoint(), key="k")
    twilio.behave("reject", BOB)
    with pytest.raises(MessageRejectedError):
        await channel.send(MESSAGE, endpoint(BOB), key="k")
    assert total(SMS_SEGMENTS) - before == 2
