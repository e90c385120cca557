"""Fixtures of the bot: a simulator, and a bot whose parts move when a test says so."""

from collections.abc import AsyncIterator

import pytest

from routing.channels.telegram import TelegramChannel, TelegramConfig
from schemas.db import Pool
from tests.bots.robot import Robot
from tests.simulated import FakeClock
from tests.simulated_telegram import TOKEN, Telegram, telegram_simulated


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def telegram(clock: FakeClock) -> AsyncIterator[Telegram]:
    async with telegram_simulated(clock=clock) as running:
        yield running


@pytest.fixture
async def channel(telegram: Telegram, clock: FakeClock) -> AsyncIterator[TelegramChannel]:
    made = TelegramChannel(TelegramConfig(token=TOKEN, base_url=telegram.url, call_s=1.5), clock)
    yield made
    await made.close()


@pytest.fixture
def robot(database: str, pool: Pool, channel: TelegramChannel, clock: FakeClock) -> Robot:
    return Robot(database, pool, channel, clock)
