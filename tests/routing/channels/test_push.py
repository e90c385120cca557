"""What every channel promises, and push keeps, against its simulator through the real library."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from routing.channels.base import Addressed, Receipt, Rendered
from routing.channels.push import FcmConfig, PushChannel
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from schemas.clock import SystemClock
from tests.simulated import FakeClock
from tests.simulated_fcm import Fcm, collapse_ids, fcm_simulated

MESSAGE = Rendered(
    title="Bob tipped you",
    text="Thanks",
    url="https://hub.example.com/tips/1",
    topic="tips",
    urgent=True,
    badge=3,
    group="tips",
)
CALL_S = 1.5
KEY = "01890a5d-ac96-774b-bcce-b302099a8057"


def endpoint(address: str = "device-1", kind: str | None = "token") -> Endpoint:
    return Endpoint(id=uuid4(), channel="push", address=address, kind=kind)


@asynccontextmanager
async def channel_at(
    url: str, credentials: str | None = None, call_s: float = CALL_S
) -> AsyncIterator[PushChannel]:
    config = FcmConfig(project="demo", credentials=credentials, base_url=url, call_s=call_s)
    channel = PushChannel(config, SystemClock())
    try:
        yield channel
    finally:
        await channel.close()


@pytest.fixture
async def fcm() -> AsyncIterator[Fcm]:
    async with fcm_simulated() as running:
        yield running


@pytest.fixture
async def channel(fcm: Fcm) -> AsyncIterator[PushChannel]:
    async with channel_at(fcm.url, fcm.credentials) as found:
        yield found


async def test_a_message_arrives_as_it_was_rendered(channel: PushChannel, fcm: Fcm) -> None:
    receipt = await channel.send(MESSAGE, endpoint(), key=KEY)
    (arrived,) = fcm.messages
    assert receipt == Receipt(arrived.id)
    assert (arrived.address, arrived.subject, arrived.text) == ("device-1", "Bob tipped you", "Thanks")
    assert arrived.raw["message"]["data"]["url"] == MESSAGE.url


async def test_five_hundred_messages_go_out_at_once_each_with_its_outcome(fcm: Fcm) -> None:
    fcm.behave("gone", "device-7")
    fcm.behave("reject", "device-8")
    many = [Addressed(MESSAGE, endpoint(f"device-{n}"), str(uuid4())) for n in range(501)]
    async with channel_at(fcm.url, fcm.credentials, call_s=30) as channel:
        outcomes = await channel.send_many(many)
    wrong = {7: EndpointGoneError, 8: MessageRejectedError}
    assert [type(one) for one in outcomes] == [wrong.get(n, Receipt) for n in range(501)]
    arrived = {one.address: one.id for one in fcm.messages}
    assert len(arrived) == 499
    assert all(
        one.ref == arrived[sent.to.address]
        for one, sent in zip(outcomes, many, strict=True)
        if isinstance(one, Receipt)
    )


async def test_a_repeat_under_the_same_key_is_shown_once(channel: PushChannel, fcm: Fcm) -> None:
    for _ in range(2):
        await channel.send(MESSAGE, endpoint(), key=KEY)
    assert len(fcm.messages) == 2
    assert len(fcm.shown()) == 1
    assert {one for arrived in fcm.messages for one in collapse_ids(arrived.raw)} == {KEY}


async def test_an_unregistered_device_is_gone(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("gone", "device-1")
    with pytest.raises(EndpointGoneError, match="404"):
        await channel.send(MESSAGE, endpoint(), key=KEY)


async def test_what_fcm_does_not_take_for_a_token_is_gone(channel: PushChannel) -> None:
    subscription = json.dumps({"endpoint": "https://push.example.com/1"})
    with pytest.raises(EndpointGoneError, match="not a valid"):
        await channel.send(MESSAGE, endpoint(subscription, "webpush"), key=KEY)


async def test_a_refused_message_is_rejected_and_its_device_stays(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("reject", "device-1")
    with pytest.raises(MessageRejectedError) as refused:
        await channel.send(MESSAGE, endpoint(), key=KEY)
    assert not isinstance(refused.value, EndpointGoneError)


async def test_the_quota_of_the_project_says_when_to_come_back(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("quota")
    with pytest.raises(QuotaExceededError) as refused:
        await channel.send(MESSAGE, endpoint(), key=KEY)
    assert refused.value.retry_after == timedelta(seconds=5)


async def test_the_quota_of_one_device_stops_no_other(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("quota", "device-1")
    many = [Addressed(MESSAGE, endpoint(f"device-{n}"), str(uuid4())) for n in (1, 2)]
    busy, taken = await channel.send_many(many)
    assert isinstance(busy, EndpointBusyError)
    assert busy.retry_after == timedelta(seconds=5)
    assert isinstance(taken, Receipt)


async def test_silence_before_the_message_was_taken_is_ambiguous(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("timeout", times=1)
    with pytest.raises(AmbiguousDeliveryError, match="did not answer in time"):
        await channel.send(MESSAGE, endpoint(), key=KEY)
    assert fcm.messages == []


async def test_silence_after_the_message_was_taken_is_ambiguous_and_a_repeat_shows_nothing_new(
    channel: PushChannel, fcm: Fcm
) -> None:
    fcm.behave("timeout_after", times=1)
    with pytest.raises(AmbiguousDeliveryError):
        await channel.send(MESSAGE, endpoint(), key=KEY)
    receipt = await channel.send(MESSAGE, endpoint(), key=KEY)
    assert [one.id for one in fcm.shown()] == [receipt.ref]


async def test_one_silent_call_leaves_the_others_their_answers(channel: PushChannel, fcm: Fcm) -> None:
    fcm.behave("timeout", "device-0")
    many = [Addressed(MESSAGE, endpoint(f"device-{n}"), str(uuid4())) for n in range(3)]
    silent, *others = await channel.send_many(many)
    assert isinstance(silent, AmbiguousDeliveryError)
    assert all(isinstance(one, Receipt) for one in others)


@pytest.mark.parametrize(
    ("mode", "error"), [("down", TransientDeliveryError), ("flaky", AmbiguousDeliveryError)]
)
async def test_a_failing_provider_is_called_once_and_not_five_times(
    channel: PushChannel, fcm: Fcm, mode: str, error: type[Exception]
) -> None:
    fcm.behave("down" if mode == "down" else "flaky", times=1)
    with pytest.raises(error):
        await channel.send(MESSAGE, endpoint(), key=KEY)
    assert await channel.send(MESSAGE, endpoint(), key=KEY)  # the one failure was not used up by attempts


async def test_nobody_at_the_address_has_not_taken_it() -> None:
    async with channel_at("http://127.0.0.1:9") as channel:
        with pytest.raises(TransientDeliveryError, match="cannot be reached"):
            await channel.send(MESSAGE, endpoint(), key=KEY)


async def test_without_an_account_it_speaks_to_an_emulator(fcm: Fcm) -> None:
    async with channel_at(fcm.url) as channel:
        assert await channel.send(MESSAGE, endpoint(), key=KEY)
    assert fcm.simulator.tokens.asked == 0


async def test_what_the_library_refuses_takes_nothing_else_with_it(channel: PushChannel, fcm: Fcm) -> None:
    outcomes = await channel.send_many(
        [Addressed(MESSAGE, endpoint(address), str(uuid4())) for address in ("device-1", "", "device-2")]
    )
    assert [type(one) for one in outcomes] == [Receipt, MessageRejectedError, Receipt]
    assert [one.address for one in fcm.messages] == ["device-1", "device-2"]


async def test_a_wrong_project_key_is_ours_to_set_right(fcm: Fcm) -> None:
    fcm.behave("reject", "oauth2.googleapis.com")
    async with channel_at(fcm.url, fcm.credentials) as channel:
        with pytest.raises(ChannelMisconfiguredError, match="invalid_grant"):
            await channel.send(MESSAGE, endpoint(), key=KEY)
    assert fcm.messages == []


async def test_several_channels_live_side_by_side(fcm: Fcm) -> None:
    async with channel_at(fcm.url) as first, channel_at(fcm.url) as second:
        for channel in (first, second):
            await channel.send(MESSAGE, endpoint(), key=KEY)


async def test_the_time_left_is_told_to_every_platform(fcm: Fcm) -> None:
    clock = FakeClock()
    channel = PushChannel(FcmConfig(base_url=fcm.url), clock)
    try:
        message = replace(MESSAGE, expires_at=clock.now() + timedelta(minutes=30))
        await channel.send(message, endpoint(), key=KEY)
    finally:
        await channel.close()
    sent = fcm.messages[0].raw["message"]
    assert sent["android"]["ttl"] == "1800s"
    assert sent["webpush"]["headers"]["TTL"] == "1800"
    assert sent["apns"]["headers"]["apns-expiration"] == str(int(clock.now().timestamp()) + 1800)


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ("{", "no JSON"),
        ("/nowhere/key.json", "cannot be read"),
        ('{"type": "authorized_user"}', "service_account"),
        ('{"type": "service_account", "private_key": "secret"}', "broken"),
    ],
)
def test_credentials_that_cannot_be_read_are_refused_without_being_shown(credentials: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        PushChannel(FcmConfig(credentials=credentials), SystemClock())
    assert "secret" not in str(refused.value)


def test_nothing_is_called_before_the_first_message() -> None:
    script = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('called')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from routing.channels.push import FcmConfig, PushChannel\n"
        "from schemas.clock import SystemClock\n"
        "PushChannel(FcmConfig(project='demo'), SystemClock())\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)
