"""What Telegram is told of the bot when it starts."""

import pytest

from bots.introducing import Webhook, introduce
from routing.channels.telegram import TelegramChannel
from schemas.db import Pool
from schemas.store.telegram_links import TelegramLinks
from tests.simulated_telegram import BOT, SECRET, Telegram


async def test_the_hub_learns_how_the_bot_is_called(
    channel: TelegramChannel, pool: Pool, telegram: Telegram
) -> None:
    assert await TelegramLinks().link(pool, BOT, "abc") is None
    await introduce(channel.bot, pool, None)
    await introduce(channel.bot, pool, None)
    assert await TelegramLinks().link(pool, BOT, "abc") == "https://t.me/hub_simulated_bot?start=abc"
    assert await TelegramLinks().link(pool, "4242", "abc") is None


async def test_a_webhook_is_set_and_without_one_taken_away(
    channel: TelegramChannel, pool: Pool, telegram: Telegram
) -> None:
    await introduce(channel.bot, pool, Webhook("http://127.0.0.1:9/webhooks/telegram", SECRET))
    assert telegram.simulator._pusher.url == "http://127.0.0.1:9/webhooks/telegram"
    await introduce(channel.bot, pool, None)
    assert telegram.simulator._pusher.url is None


async def test_people_see_the_commands_in_their_language(
    channel: TelegramChannel, pool: Pool, telegram: Telegram
) -> None:
    await introduce(channel.bot, pool, None)
    commands = telegram.simulator.commands
    assert [one["command"] for one in commands[""]] == ["start", "stop"]
    assert commands["de"][1]["description"] != commands[""][1]["description"]


async def test_it_is_tried_until_telegram_answers(
    channel: TelegramChannel, pool: Pool, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.introducing.AGAIN_S", 0)
    calls = 0
    ask = channel.bot.session.make_request

    async def flaky(*given: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            channel.bot.session.check_response(*given[:2], 502, "<html>")  # type: ignore[call-arg, arg-type]
        return await ask(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(channel.bot.session, "make_request", flaky)
    await introduce(channel.bot, pool, None)
    assert await TelegramLinks().bot(pool, BOT)
