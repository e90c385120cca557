"""Owns asking Telegram for updates where it cannot call us: kept first, and only then confirmed."""

import asyncio
from typing import Any, Final

import structlog
from aiogram import Bot
from aiogram.exceptions import AiogramError
from aiogram.methods.base import TelegramMethod

from bots.meaning import KINDS
from bus.seldom import Seldom
from bus.tasks import forever
from routing.channels.telegram_errors import explained, waits
from schemas.clock import Clock
from schemas.db import Pool
from schemas.store.telegram_updates import TelegramUpdates

log = structlog.get_logger(__name__)

WAIT_S: Final = 25
GRACE_S: Final = 10
AGAIN_S: Final = 3.0
PAUSE_S: Final = 1.0


class RawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates as it comes: one update that the library cannot read would hide the others."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    timeout: int
    allowed_updates: list[str]


class Polling:
    """One process asks; to a second one Telegram says that there is another, and it tries again."""

    def __init__(self, bot: Bot, pool: Pool, clock: Clock, *, wait_s: int = WAIT_S) -> None:
        self._bot = bot
        self._pool = pool
        self._clock = clock
        self._wait_s = wait_s
        self._updates = TelegramUpdates()
        self._offset: int | None = None
        self._say = Seldom(log)

    async def run(self) -> None:
        await forever(self._ask_or_rest, name="polling of Telegram", pause_s=0)

    async def _ask_or_rest(self) -> None:
        """What cannot be kept is told again at once: Telegram must not be asked without a pause."""
        try:
            await self.ask()
        except Exception:
            await asyncio.sleep(PAUSE_S)
            raise

    async def ask(self) -> None:
        """Wait for updates and keep them; what was kept is confirmed by asking for what follows it."""
        try:
            found = await self._bot(
                RawUpdates(offset=self._offset, timeout=self._wait_s, allowed_updates=list(KINDS)),
                request_timeout=self._wait_s + GRACE_S,
            )
        except AiogramError as error:  # what the library says may show the token
            wait = waits(error)
            self._say("Telegram tells no updates", error=str(explained(error)))
            await asyncio.sleep(wait.total_seconds() if wait else AGAIN_S)
            return
        numbered = [one for one in found if isinstance(one.get("update_id"), int)]
        now = self._clock.now()
        async with self._pool.acquire() as tx, tx.transaction():
            for update in numbered:
                await self._updates.put(tx, update, now)
        if numbered:
            self._offset = max(one["update_id"] for one in numbered) + 1
