"""How the doors learn what the bot is called."""

import pytest
from pydantic import SecretStr

from ops.provider_settings import Telegram
from ops.settings import Settings
from ops.telegram_name import learn_name
from schemas.db import Pool
from schemas.store.telegram_links import TelegramLinks
from tests.simulated import NOBODY
from tests.simulated_telegram import BOT, TOKEN, telegram_simulated


def settings(url: str, token: str = TOKEN) -> Settings:
    return Settings(telegram=Telegram(token=SecretStr(token), base_url=url))


async def test_the_bot_is_asked_how_it_is_called(pool: Pool) -> None:
    async with telegram_simulated() as telegram:
        await learn_name(settings(telegram.url), pool)
    assert await TelegramLinks().bot(pool, BOT) == "hub_simulated_bot"


@pytest.mark.parametrize("number", [BOT, "4242"])
async def test_the_name_of_another_bot_and_an_old_one_are_replaced(pool: Pool, number: str) -> None:
    await TelegramLinks().call_bot(pool, number, "known_bot")
    async with telegram_simulated() as telegram:
        await learn_name(settings(telegram.url), pool)
    assert await TelegramLinks().bot(pool, BOT) == "hub_simulated_bot"
    assert await TelegramLinks().bot(pool, "4242") is None


@pytest.mark.parametrize("token", [TOKEN, "42:AAother"])
async def test_without_an_answer_it_is_left_to_the_bot(pool: Pool, token: str) -> None:
    async with telegram_simulated() as telegram:
        await learn_name(settings(NOBODY if token == TOKEN else telegram.url, token), pool)
    assert await TelegramLinks().bot(pool, BOT) is None


async def test_without_telegram_nobody_is_asked(pool: Pool) -> None:
    await learn_name(Settings(), pool)
    assert await TelegramLinks().bot(pool, BOT) is None
