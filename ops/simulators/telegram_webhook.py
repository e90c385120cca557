"""Owns how the simulator of Telegram calls a webhook: one update after the other, until each is answered."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import orjson

from bus.tasks import cancel, spawn

AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CALL_S: Final = 15.0
HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"


def comes_again(status: int) -> bool:
    """Whether an update is told again upon such an answer: one that is refused itself would stop all others.

    Without a door (404), or with another secret (401), the hub may be about to be set up. 0: no answer.
    """
    return status in {0, 401, 404, 408, 429} or status >= 500


class Pusher:
    """Sends what is `waiting` while there is a webhook."""

    def __init__(self, waiting: deque[dict[str, Any]], url: str | None, secret: str) -> None:
        self.url = url
        self._secret = secret
        self._waiting = waiting
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    def call(self, url: str | None, secret: str) -> None:
        """Call there from now on."""
        self.url, self._secret = url, secret
        self.begin()

    def begin(self) -> None:
        if self.url and self._waiting and (self._task is None or self._task.done()):
            self._task = spawn(self._push(), name="simulated updates")

    async def post(self, said: Mapping[str, Any]) -> int:
        """Tell the hub, once; answers its status, or 0 if there was none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S))
        headers = {"Content-Type": "application/json", HEADER: self._secret}
        try:
            async with self._session.post(str(self.url), data=orjson.dumps(said), headers=headers) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def close(self) -> None:
        if self._task is not None:
            await cancel(self._task)
        if self._session is not None:
            await self._session.close()

    async def _push(self) -> None:
        failures = 0
        while self._waiting and self.url:
            if not comes_again(await self.post(self._waiting[0])):
                self._waiting.popleft()
                failures = 0
                continue
            await asyncio.sleep(AGAIN_S[min(failures, len(AGAIN_S) - 1)])
            failures += 1
