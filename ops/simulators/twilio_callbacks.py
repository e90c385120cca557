"""Owns webhooks as Twilio sends them: forms, signed over the URL that was given for them."""

import asyncio
import base64
import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import aiohttp

from bus.tasks import cancel, spawn
from gateways.loopback import is_loopback_url

AT_ONCE: Final = 8
AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # the real one gives up sooner
CALL_S: Final = 15.0
FORM: Final = "application/x-www-form-urlencoded; charset=UTF-8"
Form = Mapping[str, str]


def signature(token: str, url: str, form: Form) -> str:
    said = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), said.encode(), hashlib.sha1)).decode()


class Callbacks:
    """Tells a hub on this machine; `webhook` is where it listens, whatever it calls itself outside."""

    def __init__(self, webhook: str) -> None:
        self._webhook = webhook
        self._waiting: deque[tuple[str, str, Form]] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def later(self, token: str, url: str, form: Form) -> None:
        """Send it soon, and again until the hub has taken it; of one message they may overtake each other."""
        self._waiting.append((token, url, form))
        if len(self._senders) < AT_ONCE:
            task = spawn(self._work(), name="simulated status callbacks")
            self._senders.add(task)
            task.add_done_callback(self._senders.discard)

    async def send(self, token: str, url: str, form: Form) -> int:
        """Send it now, once; answers the hub's status, or 0 if there was none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_S))
        headers = {"Content-Type": FORM, "X-Twilio-Signature": signature(token, url, form)}
        try:
            async with self._session.post(
                self._reached(url), data=urlencode(form).encode(), headers=headers
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0

    async def close(self) -> None:
        await cancel(*self._senders)
        if self._session is not None:
            await self._session.close()

    async def _work(self) -> None:
        while self._waiting:
            token, url, form = self._waiting.popleft()
            for pause in AGAIN_S:
                if 200 <= await self.send(token, url, form) < 300:
                    break
                await asyncio.sleep(pause)

    def _reached(self, url: str) -> str:
        """Nothing leaves this machine: a hub with a public address is told where it listens here."""
        query = urlsplit(url).query
        return url if is_loopback_url(url) else self._webhook + (f"?{query}" if query else "")
