"""What every channel promises, and e-mail keeps, against its simulator through the real library."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest

from routing.channels.base import Pace, Receipt, Rendered
from routing.channels.email import EmailChannel, ResendConfig, _pace
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from schemas.clock import SystemClock
from tests.simulated import Resend, resend_simulated

MESSAGE = Rendered(
    title="Bob tipped you",
    text="Thanks",
    html="<p>Thanks</p>",
    headers={"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
)
CALL_S = 1.5


def endpoint(address: str = "ann@example.com") -> Endpoint:
    return Endpoint(id=uuid4(), channel="email", address=address)


def channel_at(url: str, api_key: str = "re_test") -> EmailChannel:
    config = ResendConfig(api_key=api_key, sender="Hub <hub@example.com>", base_url=url, call_s=CALL_S)
    return EmailChannel(config, SystemClock())


@pytest.fixture
async def resend() -> AsyncIterator[Resend]:
    async with resend_simulated() as running:
        yield running


@pytest.fixture
async def channel(resend: Resend) -> AsyncIterator[EmailChannel]:
    async with AsyncExitStack() as stack:
        found = channel_at(resend.url)
        stack.push_async_callback(found.close)
        yield found


async def test_a_message_arrives_as_it_was_rendered(channel: EmailChannel, resend: Resend) -> None:
    receipt = await channel.send(MESSAGE, endpoint(), key="k")
    (arrived,) = resend.messages
    assert receipt == Receipt(arrived.id)
    assert (arrived.address, arrived.subject, arrived.text) == ("ann@example.com", "Bob tipped you", "Thanks")
    assert arrived.html == "<p>Thanks</p>"
    assert arrived.headers == MESSAGE.headers


async def test_a_repeat_under_the_same_key_is_taken_once(channel: EmailChannel, resend: Resend) -> None:
    to = endpoint()
    first = await channel.send(MESSAGE, to, key="k")
    assert await channel.send(MESSAGE, to, key="k") == first
    assert len(resend.messages) == 1


async def test_another_message_under_a_used_key_is_not_repeated(channel: EmailChannel) -> None:
    await channel.send(MESSAGE, endpoint(), key="k")
    with pytest.raises(AmbiguousDeliveryError) as refused:
        await channel.send(MESSAGE, endpoint("bob@example.com"), key="k")
    assert not refused.value.repeatable


async def test_a_refused_address_is_rejected_for_good(channel: EmailChannel, resend: Resend) -> None:
    resend.behave("reject", "ann@example.com")
    with pytest.raises(MessageRejectedError):
        await channel.send(MESSAGE, endpoint(), key="k")
    assert resend.messages == []


async def test_a_quota_says_when_to_come_back(channel: EmailChannel, resend: Resend) -> None:
    resend.behave("quota")
    with pytest.raises(QuotaExceededError, match="daily_quota_exceeded") as refused:
        await channel.send(MESSAGE, endpoint(), key="k")
    assert refused.value.retry_after == timedelta(seconds=5)


async def test_silence_before_the_message_was_taken_is_ambiguous(
    channel: EmailChannel, resend: Resend
) -> None:
    resend.behave("timeout", times=1)
    with pytest.raises(AmbiguousDeliveryError, match="did not answer in time"):
        await channel.send(MESSAGE, endpoint(), key="k")
    assert resend.messages == []


async def test_silence_after_the_message_was_taken_is_ambiguous_and_a_repeat_harmless(
    channel: EmailChannel, resend: Resend
) -> None:
    resend.behave("timeout_after", times=1)
    to = endpoint()
    with pytest.raises(AmbiguousDeliveryError):
        await channel.send(MESSAGE, to, key="k")
    receipt = await channel.send(MESSAGE, to, key="k")
    assert [one.id for one in resend.messages] == [receipt.ref]


async def test_a_provider_that_fails_now_and_then_takes_it_the_next_time(
    channel: EmailChannel, resend: Resend
) -> None:
    resend.behave("flaky")
    with pytest.raises(AmbiguousDeliveryError, match="500"):
        await channel.send(MESSAGE, endpoint(), key="k")
    assert await channel.send(MESSAGE, endpoint(), key="k")


async def test_a_provider_that_is_down_has_not_taken_it(channel: EmailChannel, resend: Resend) -> None:
    resend.behave("down")
    with pytest.raises(TransientDeliveryError, match="503"):
        await channel.send(MESSAGE, endpoint(), key="k")


async def test_nobody_at_the_address_has_not_taken_it() -> None:
    channel = channel_at("http://127.0.0.1:9")
    try:
        with pytest.raises(TransientDeliveryError, match="cannot be reached"):
            await channel.send(MESSAGE, endpoint(), key="k")
    finally:
        await channel.close()


async def test_a_wrong_key_is_ours_to_set_right(resend: Resend) -> None:
    channel = channel_at(resend.url, api_key="wrong")
    try:
        with pytest.raises(ChannelMisconfiguredError, match="invalid_api_key"):
            await channel.send(MESSAGE, endpoint(), key="k")
    finally:
        await channel.close()


async def test_of_a_batch_only_what_was_refused_is_rejected(channel: EmailChannel, resend: Resend) -> None:
    resend.behave("reject", "b@example.com")
    addresses = ["a@example.com", "b@example.com", "c@example.com"]
    mails = [channel.prepare(MESSAGE, address, key=str(uuid4())) for address in addresses]
    came = await channel.send_batch(mails, key="k")
    arrived = {one.address: one.id for one in resend.messages}
    assert [type(one) for one in came] == [Receipt, MessageRejectedError, Receipt]
    assert [came[0], came[2]] == [Receipt(arrived["a@example.com"]), Receipt(arrived["c@example.com"])]


async def test_a_batch_is_taken_once_under_its_key(channel: EmailChannel, resend: Resend) -> None:
    mails = [channel.prepare(MESSAGE, f"{n}@example.com", key=str(uuid4())) for n in range(100)]
    resend.behave("timeout_after", times=1)
    with pytest.raises(AmbiguousDeliveryError):
        await channel.send_batch(mails, key="k")
    came = await channel.send_batch(mails, key="k")
    assert [one.ref for one in came if isinstance(one, Receipt)] == [one.id for one in resend.messages]
    assert len(resend.messages) == 100


@pytest.mark.parametrize("name", ["ratelimit-limit", "ratelimit-reset"])
@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "soon"])
def test_a_limit_that_is_no_number_changes_nothing(name: str, said: str) -> None:
    told = {"ratelimit-limit": "7", "ratelimit-remaining": "0", "ratelimit-reset": "1", name: said}
    assert _pace(told, Pace(3.0)) == Pace(3.0)


async def test_the_limit_is_learnt_from_the_answers() -> None:
    async with resend_simulated(rate=7) as resend:
        channel = channel_at(resend.url)
        try:
            await channel.send(MESSAGE, endpoint(), key="k")
            assert (channel.pace.rate, channel.pace.left) == (7.0, 6)
        finally:
            await channel.close()
