"""The simulator of Telegram for tests: in this process, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from ops.simulators.telegram import TelegramSimulator
from schemas.clock import Clock, SystemClock
from tests.simulated import FakeClock, Simulated, running

TOKEN = "42:AAtest"
BOT = "42"
SECRET = "shown_by_telegram"
ANN = 4242
SAID_AT = int(FakeClock().now().timestamp())


@dataclass
class Telegram(Simulated[TelegramSimulator]):
    """A running simulator of Telegram."""

    async def inbound(self, **said: Any) -> dict[str, Any]:
        """Something comes from a person, as the call of the simulator has it."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/_sim/inbound", json=said) as answer,
        ):
            told: dict[str, Any] = await answer.json()
            return told

    async def write(self, text: str, user: int = ANN) -> dict[str, Any]:
        """A person writes to the bot."""
        return await self.inbound(user={"id": user, "first_name": "Ann"}, text=text)


def membership(chat: int, before: str, now: str, kind: str = "private") -> dict[str, Any]:
    """What Telegram tells when a person blocks the bot (`kicked`) or takes that back (`member`)."""
    bot = {"id": 42, "is_bot": True, "first_name": "Hub"}

    def member(status: str) -> dict[str, Any]:
        until = {"until_date": 0} if status == "kicked" else {}
        return {"user": bot, "status": status, **until}

    return {
        "chat": {"id": chat, "type": kind, "first_name": "Ann"},
        "from": {"id": ANN, "is_bot": False, "first_name": "Ann"},
        "date": SAID_AT,
        "old_chat_member": member(before),
        "new_chat_member": member(now),
    }


@asynccontextmanager
async def telegram_simulated(
    *, clock: Clock | None = None, webhook: str | None = None
) -> AsyncIterator[Telegram]:
    simulator = TelegramSimulator(clock or SystemClock(), token=TOKEN, webhook=webhook, secret=SECRET)
    async with running(simulator) as url:
        yield Telegram(simulator, url)
