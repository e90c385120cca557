"""Owns the role of the bot: updates of Telegram handled and answered, and what is to be told there sent.

The one part of ops that imports aiogram (seconds, and 150 MB): nothing but the command `hub bot` imports it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import structlog

from bots.introducing import Webhook, introduce
from bots.meaning import Meaning
from bots.polling import Polling
from bots.replies import Replies
from bots.updates import Handling
from bus.tasks import cancel, forever, spawn
from ops.sending import dispatcher, senders
from ops.settings import Settings, SettingsError
from ops.stopping import stoppable
from ops.wiring import Base, base
from routing.channels.telegram import TelegramChannel
from routing.dispatcher import Sender
from routing.people import People
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store import telegram_updates
from schemas.store.deliveries import WAKE

log = structlog.get_logger(__name__)

AGAIN_S: Final = 5.0


async def bot(settings: Settings) -> None:
    """Be the bot until a signal ends it. Raises SettingsError where there is none."""
    with stoppable() as stop:
        async with AsyncExitStack() as stack:
            with stop.starting():
                parts = await stack.enter_async_context(base(settings))
                await stack.enter_async_context(bots(parts))
            log.info("the bot works", worker=parts.name)
            await stop.wait()


@asynccontextmanager
async def bots(parts: Base) -> AsyncIterator[None]:
    """Run the bot in the background."""
    clock = SystemClock()
    people = People(clock, most=parts.settings.hourly_per_channel)
    sender, channel = _sender(parts.settings)
    heard, due = Listener(parts.dsn, telegram_updates.WAKE), Listener(parts.dsn, WAKE)
    sending = dispatcher(
        parts.settings,
        [sender],
        worker=parts.name,
        pool=parts.pool,
        listener=due,
        people=people,
        clock=clock,
    )
    meaning, hook = Meaning(channel.bot), webhook(parts.settings)
    asking = [
        spawn(
            forever(partial(_hear, channel, parts.pool, hook), name="updates", pause_s=AGAIN_S),
            name="updates",
        ),
        spawn(Handling(parts.pool, heard, meaning, clock, name=parts.name).run(), name="handling"),
        spawn(Replies(parts.pool, heard, channel, clock).run(), name="replies"),
    ]
    running = [
        spawn(forever(heard.listen, name="listener of updates", pause_s=RECONNECT_S), name="listener"),
        spawn(forever(due.listen, name="listener of deliveries", pause_s=RECONNECT_S), name="listener"),
        spawn(sending.run(), name="dispatcher"),
    ]
    try:
        yield
    finally:
        try:
            await sending.end()
        finally:
            await cancel(*asking)  # before the dispatcher closes the channel
            await cancel(*running)


async def _hear(channel: TelegramChannel, pool: Pool, hook: Webhook | None) -> None:
    """Does not end; what fails on the way, such as the database, is tried again from the start."""
    await introduce(channel.bot, pool, hook)
    if hook is None:
        await Polling(channel.bot, pool, SystemClock()).run()
    await asyncio.Event().wait()


def webhook(settings: Settings) -> Webhook | None:
    """Where Telegram calls; None: it is asked for updates."""
    secret, url = settings.telegram.webhook_secret, settings.public_url
    if secret is None or url is None:
        return None
    if settings.telegram.base_url is None and not url.startswith("https://"):
        return None  # Telegram itself calls nothing else
    return Webhook(f"{url.rstrip('/')}/webhooks/telegram", secret.get_secret_value())


def _sender(settings: Settings) -> tuple[Sender, TelegramChannel]:
    if not settings.telegram.configured:
        raise SettingsError("HUB_TELEGRAM__TOKEN is not set: without it there is no bot to run")
    for sender in senders(settings, SystemClock(), settings.public_url, ("telegram",)):
        for channel in sender.channels:
            if isinstance(channel, TelegramChannel):
                return sender, channel
    raise SettingsError("HUB_PUBLIC_URL is not set: what the bot sends needs it, for the links in it")
