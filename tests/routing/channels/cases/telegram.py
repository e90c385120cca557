"""Messages through a bot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from routing.channels.telegram import TelegramChannel, TelegramConfig
from routing.writers.telegram import TelegramWriter
from schemas.clock import Clock
from tests.routing.channels.case import PUBLIC_URL, Case
from tests.simulated_telegram import TOKEN, telegram_simulated


@asynccontextmanager
async def case(clock: Clock, call_s: float) -> AsyncIterator[Case]:
    async with telegram_simulated() as telegram:
        channel = TelegramChannel(TelegramConfig(token=TOKEN, base_url=telegram.url, call_s=call_s), clock)
        yield Case(
            channel=channel,
            writer=TelegramWriter(PUBLIC_URL),
            behaviours=telegram.simulator.behaviours,
            messages=telegram.messages,
            address=lambda n: str(4_000 + n),
        )
        await channel.close()
