"""Owns what Telegram is told of the bot when it starts: where updates go, and which commands there are."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.types import BotCommand

from bots.meaning import KINDS
from routing.channels.telegram_errors import explained, waits
from routing.texts import DEFAULT, LOCALES, Texts
from schemas.db import Pool
from schemas.store.telegram_links import TelegramLinks

log = structlog.get_logger(__name__)

AGAIN_S: Final = 5.0
CONNECTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram calls, and what it shows there."""

    url: str
    secret: str = field(repr=False)


async def introduce(bot: Bot, pool: Pool, webhook: Webhook | None) -> None:
    """Do it until it is done; without a webhook updates are asked for."""
    while True:
        try:
            await _introduce(bot, pool, webhook)
        except AiogramError as error:
            log.error("the bot cannot introduce itself, and tries again", error=str(explained(error)))  # noqa: TRY400  a trace may show the token
            wait = waits(error)
            await asyncio.sleep(wait.total_seconds() if wait else AGAIN_S)
        else:
            return


async def _introduce(bot: Bot, pool: Pool, webhook: Webhook | None) -> None:
    me = await bot.me()
    if me.username:
        await TelegramLinks().call_bot(pool, str(bot.id), me.username)
    if webhook is None:
        await bot.delete_webhook(drop_pending_updates=False)
    else:
        await bot.set_webhook(
            webhook.url,
            secret_token=webhook.secret,
            allowed_updates=list(KINDS),
            max_connections=CONNECTIONS,
            drop_pending_updates=False,
        )
    for locale in LOCALES:
        language = None if locale == DEFAULT else locale
        await bot.set_my_commands(_commands(Texts.of(locale)), language_code=language)
    log.info("the bot has introduced itself", bot=me.username, updates="webhook" if webhook else "polling")


def _commands(texts: Texts) -> list[BotCommand]:
    return [
        BotCommand(command="start", description=texts.say("Say what this bot does")),
        BotCommand(command="stop", description=texts.say("Send nothing more to this chat")),
    ]
