"""Owns how the sender of Telegram is put together; importing it takes seconds, so only the bot does."""

from ops.settings import Settings, SettingsError
from routing.channels.telegram import API, TelegramChannel, TelegramConfig
from routing.dispatcher import Sender
from routing.writers.telegram import TelegramWriter
from schemas.clock import Clock


def telegram(settings: Settings, clock: Clock, public_url: str) -> Sender:
    token = settings.telegram.token
    if token is None:
        raise SettingsError("HUB_TELEGRAM__TOKEN is not set: without it there is no bot to run")
    config = TelegramConfig(token=token.get_secret_value(), base_url=settings.telegram.base_url or API)
    return Sender(channels=(TelegramChannel(config, clock),), writer=TelegramWriter(public_url))
