"""Telegram through aiogram against its simulator: what each trap of the library means to the caller."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import pytest
from aiohttp import web

from ops.simulators.base import Mode
from routing.channels.base import Receipt, Rendered
from routing.channels.telegram import TelegramChannel, TelegramConfig
from routing.channels.telegram_errors import SEVERAL, BlockedError
from routing.channels.telegram_text import MOST_UNITS, Part, TelegramText
from routing.errors import (
    AddressMovedError,
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from tests.routing.channels.serving import serving
from tests.simulated import NOBODY, FakeClock
from tests.simulated_telegram import TOKEN, Telegram, telegram_simulated

MESSAGE = Rendered(title="Bob tipped you", text="Thanks")
CHAT = "4242"
CALL_S = 1.5


def endpoint(address: str = CHAT) -> Endpoint:
    return Endpoint(id=uuid4(), channel="telegram", address=address)


def channel_at(url: str, token: str = TOKEN, clock: FakeClock | None = None) -> TelegramChannel:
    return TelegramChannel(TelegramConfig(token=token, base_url=url, call_s=CALL_S), clock or FakeClock())


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with telegram_simulated() as running:
        yield running


@pytest.fixture
async def channel(telegram: Telegram) -> AsyncIterator[TelegramChannel]:
    async with AsyncExitStack() as stack:
        found = channel_at(telegram.url)
        stack.push_async_callback(found.close)
        yield found


async def refusal(channel: TelegramChannel, to: str = CHAT) -> DeliveryError:
    with pytest.raises(DeliveryError) as refused:
        await channel.send(MESSAGE, endpoint(to), key="k")
    assert TOKEN not in str(refused.value)
    return refused.value


async def test_a_message_arrives_with_its_title_in_bold(channel: TelegramChannel, telegram: Telegram) -> None:
    receipt = await channel.send(MESSAGE, endpoint(), key="k")
    (arrived,) = telegram.messages
    assert receipt == Receipt(f"{CHAT}:{arrived.id}")
    assert (arrived.address, arrived.text) == (CHAT, "Bob tipped you\nThanks")
    assert arrived.raw["entities"] == [{"type": "bold", "offset": 0, "length": 14}]


async def test_what_people_write_is_never_markup(channel: TelegramChannel, telegram: Telegram) -> None:
    nasty = "<b>&amp; *bold* [x](https://example.com) 👩‍👩‍👧"
    parts = (Part(nasty), Part(" "), Part("Open", url="https://hub.example.com/x"), Part("!", bold=True))
    await channel.send(TelegramText(title="", text="", parts=parts), endpoint(), key="k")
    (arrived,) = telegram.messages
    assert arrived.text == f"{nasty} Open!"
    assert "parse_mode" not in arrived.raw
    before = len(f"{nasty} ".encode("utf-16-le")) // 2
    assert arrived.raw["entities"] == [
        {"type": "text_link", "offset": before, "length": 4, "url": "https://hub.example.com/x"},
        {"type": "bold", "offset": before + 4, "length": 1},
    ]


async def test_nobodys_link_is_fetched_for_a_preview(channel: TelegramChannel, telegram: Telegram) -> None:
    await channel.send(MESSAGE, endpoint(), key="k")
    assert telegram.messages[0].raw["link_preview_options"] == '{"is_disabled": true}'


async def test_the_longest_message_is_taken_and_one_that_is_not_ours_is_cut(
    channel: TelegramChannel, telegram: Telegram
) -> None:
    await channel.send(
        TelegramText(title="", text="", parts=(Part("😀" * (MOST_UNITS // 2)),)), endpoint(), key="k"
    )
    await channel.send(Rendered(title="t" * 9_000, text="😀" * 9_000), endpoint(), key="k")
    assert len(telegram.messages) == 2


async def test_a_blocked_bot_finds_the_endpoint_gone(channel: TelegramChannel, telegram: Telegram) -> None:
    telegram.behave("gone", CHAT)
    gone = await refusal(channel)
    assert isinstance(gone, BlockedError)
    assert isinstance(gone, EndpointGoneError)
    assert gone.outcome == "blocked"


async def test_a_refused_message_is_rejected(channel: TelegramChannel, telegram: Telegram) -> None:
    telegram.behave("reject")
    refused = await refusal(channel)
    assert isinstance(refused, MessageRejectedError)
    assert not isinstance(refused, EndpointGoneError)


async def test_a_chat_that_is_not_there_is_gone(channel: TelegramChannel) -> None:
    assert isinstance(await refusal(channel, "nobody"), EndpointGoneError)


async def test_a_flooded_chat_waits_alone(channel: TelegramChannel, telegram: Telegram) -> None:
    telegram.behave("quota", CHAT)
    busy = await refusal(channel)
    assert isinstance(busy, EndpointBusyError)
    assert busy.retry_after == timedelta(seconds=3)
    await channel.send(MESSAGE, endpoint("7"), key="k")
    for _ in range(SEVERAL + 1):  # however often: it is this chat
        assert isinstance(await refusal(channel), EndpointBusyError)


async def test_when_many_chats_are_told_to_wait_it_is_meant_for_the_bot(
    channel: TelegramChannel, telegram: Telegram
) -> None:
    telegram.behave("quota")
    told = [type(await refusal(channel, str(chat))) for chat in range(1, SEVERAL + 2)]
    assert told == [EndpointBusyError] * SEVERAL + [QuotaExceededError]


async def test_waits_that_are_over_do_not_count(telegram: Telegram) -> None:
    clock = FakeClock()
    channel = channel_at(telegram.url, clock=clock)
    telegram.behave("quota")
    for chat in range(1, 2 * SEVERAL + 1):
        assert isinstance(await refusal(channel, str(chat)), EndpointBusyError)
        clock.go(timedelta(seconds=2))
    await channel.close()


async def test_a_group_that_became_a_supergroup_has_another_address(
    channel: TelegramChannel, telegram: Telegram
) -> None:
    telegram.simulator.moved["-5"] = -1005
    moved = await refusal(channel, "-5")
    assert isinstance(moved, AddressMovedError)
    assert moved.address == "-1005"


@pytest.mark.parametrize("token", ["42:AAother", "7:AAtest"])
async def test_a_wrong_token_pauses_the_channel(telegram: Telegram, token: str) -> None:
    channel = channel_at(telegram.url, token)
    assert isinstance(await refusal(channel), ChannelMisconfiguredError)
    await channel.close()


@pytest.mark.parametrize(("mode", "taken"), [("timeout", 0), ("timeout_after", 1)])
async def test_where_nobody_can_say_whether_it_was_taken_it_is_ambiguous(
    channel: TelegramChannel, telegram: Telegram, mode: Mode, taken: int
) -> None:
    telegram.behave(mode)
    assert isinstance(await refusal(channel), AmbiguousDeliveryError)
    assert len(telegram.messages) == taken


async def test_the_page_of_a_bad_gateway_is_ambiguous_and_not_told_further() -> None:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>502 Bad Gateway</html>", content_type="text/html")

    async with serving(page) as url:
        channel = channel_at(url)
        refused = await refusal(channel)
        assert isinstance(refused, AmbiguousDeliveryError)
        assert "html" not in str(refused).lower()
        await channel.close()


async def test_a_failure_that_telegram_tells_of_itself_is_ambiguous_too() -> None:
    async def fail(_request: web.Request) -> web.Response:
        said = {"ok": False, "error_code": 500, "description": "Internal Server Error: restart"}
        return web.json_response(said, status=500)

    async with serving(fail) as url:
        channel = channel_at(url)
        assert isinstance(await refusal(channel), AmbiguousDeliveryError)
        await channel.close()


@pytest.mark.parametrize("mode", ["down", "flaky"])
async def test_what_says_that_it_is_not_available_has_taken_nothing(
    channel: TelegramChannel, telegram: Telegram, mode: Mode
) -> None:
    telegram.behave(mode)
    assert isinstance(await refusal(channel), TransientDeliveryError)


async def test_a_flood_that_names_no_time_is_waited_for_all_the_same() -> None:
    async def flood(_request: web.Request) -> web.Response:
        said = {"ok": False, "error_code": 429, "description": "Too Many Requests"}
        return web.json_response(said, status=429)

    async with serving(flood) as url:
        channel = channel_at(url)
        busy = await refusal(channel)
        assert isinstance(busy, EndpointBusyError)
        assert busy.retry_after == timedelta(seconds=1)
        await channel.close()


async def test_where_nobody_listens_nothing_was_sent() -> None:
    channel = channel_at(NOBODY)
    assert isinstance(await refusal(channel), TransientDeliveryError)
    await channel.close()


async def test_a_connection_that_breaks_may_have_carried_it() -> None:
    async def abort(request: web.Request) -> web.Response:
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(abort) as url:
        channel = channel_at(url)
        assert isinstance(await refusal(channel), AmbiguousDeliveryError)
        await channel.close()


async def test_a_message_that_was_taken_stays_so_when_the_answer_cannot_be_read() -> None:
    async def odd(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True, "result": {"message_id": 9, "chat": "of a new shape"}})

    async with serving(odd) as url:
        channel = channel_at(url)
        assert await channel.send(MESSAGE, endpoint(), key="k") == Receipt(f"{CHAT}:9")
        await channel.close()
