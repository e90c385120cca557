"""Owns webhooks as Svix sends them for Resend: signed, repeated until they are taken, one id each."""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import aiohttp
import orjson

from bus.tasks import cancel, spawn
from ops.simulators.base import seconds
from schemas.clock import Clock

AT_ONCE: Final = 8
AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
CALL_S: Final = 15.0


class Svix:
    """Tells a hub; webhooks may come in any order, and more than once."""

    def __init__(self, url: str, secret: str, clock: Clock) -> None:
        self._url = url
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._clock = clock
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def later(self, event: Mapping[str, Any]) -> None:
        """Send it soon, and again until the hub has taken it."""
        self._waiting.append((_id(), orjson.dumps(event)))
        if len(self._senders) < AT_ONCE:
            task = spawn(self._work(), name="simulated webhooks")
            self._senders.add(task)
            task.add_done_callback(self._senders.discard)

    async def send(self, event: Mapping[str, Any]) -> int:
        """Send it now, once; answers the hub's status, or 0 if there was none."""
        return await self._post(_id(), orjson.dumps(event))

    async def close(self) -> None:
        await cancel(*self._senders)
        if self._session is not None:
            await self._session.close()

    async def _work(self) -> None:
        while self._waiting:
            webhook, body = self._waiting.popleft()
            for pause in AGAIN_S:
                if await self._post(webhook, body) == 200:
                    break
                await asyncio.sleep(pause)

    async def _post(self, webhook: str, body: bytes) -> int:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S))
        try:
            async with self._session.post(self._url, data=body, headers=self.signed(webhook, body)) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    def signed(self, webhook: str, body: bytes) -> dict[str, str]:
        """The headers that go with a body."""
        at = str(seconds(self._clock.now()))
        signature = hmac.digest(self._key, f"{webhook}.{at}.".encode() + body, hashlib.sha256)
        return {
            "Content-Type": "application/json",
            "svix-id": webhook,
            "svix-timestamp": at,
            "svix-signature": f"v1,{base64.b64encode(signature).decode()}",
        }


def _id() -> str:
    return f"msg_{uuid4().hex}"
