"""Owns the simulators of one `hub up`: which ones are needed, where they listen, and their life."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from aiohttp import web
from pydantic import SecretStr

from ops.embedded.data_dir import DataDir
from ops.embedded.ports import find_free
from ops.embedded.progress import say
from ops.provider_settings import Twilio
from ops.settings import Settings
from ops.simulators.base import Simulator
from ops.simulators.fcm import FcmSimulator
from ops.simulators.resend import ResendSimulator
from ops.simulators.simulated import wanted, with_simulators
from ops.simulators.svix import Svix
from ops.simulators.telegram import TelegramSimulator
from ops.simulators.twilio import TwilioSimulator
from schemas.clock import SystemClock

GRACE_S = 0.1
STATUS_PATH: Final = "/webhooks/twilio"
SAID: Final = {
    "fcm": "push is simulated at {url}; HUB_FCM__CREDENTIALS sends real ones",
    "twilio": "SMS are simulated at {url}; HUB_TWILIO__ACCOUNT_SID sends real ones",
    "twilio_fallback": "a second account for SMS is simulated at {url}",
    "resend": "e-mail is simulated at {url}; HUB_RESEND__API_KEY sends real ones",
    "telegram": "Telegram is simulated at {url}; HUB_TELEGRAM__TOKEN sends real messages",
}


class Simulators:
    """Bound to loopback before the hub starts, so that it can be told where they are."""

    def __init__(
        self, settings: Settings, data_dir: DataDir, hub_url: str, *, fallbacks: bool = False
    ) -> None:
        self.urls: dict[str, str] = {}
        self._secret = data_dir.auth_secret()
        self._hub_url = hub_url
        listening = {name: self._bind(name, data_dir) for name in wanted(settings, fallbacks=fallbacks)}
        simulated = self.settings(settings)
        self._bound = [(self._made(name, simulated), one) for name, one in listening.items()]
        for name in listening:
            say(SAID[name].format(url=self.urls[name]))

    def settings(self, settings: Settings) -> Settings:
        return with_simulators(settings, self.urls, self._secret)

    def close(self) -> None:
        """Let the ports go, if they were never served."""
        for _, listening in self._bound:
            listening.close()

    async def run(self) -> None:
        """Serve for ever."""
        async with AsyncExitStack() as stack:
            for simulator, listening in self._bound:
                await stack.enter_async_context(served(simulator, listening))
            await asyncio.Event().wait()

    def _made(self, name: str, simulated: Settings) -> Simulator:
        clock = SystemClock()
        webhook = f"{self._hub_url}/webhooks/{name}"
        match name:
            case "fcm":
                return FcmSimulator(clock)
            case "twilio":
                return _twilio(simulated.twilio, f"{self._hub_url}{STATUS_PATH}", simulated.public_url)
            case "twilio_fallback":
                account = simulated.twilio_fallback
                return _twilio(account, f"{self._hub_url}{STATUS_PATH}", simulated.public_url)
            case "telegram":
                token, secret = simulated.telegram.token, simulated.telegram.webhook_secret
                return TelegramSimulator(clock, token=_shown(token), webhook=webhook, secret=_shown(secret))
            case _:
                return ResendSimulator(clock, Svix(webhook, _shown(simulated.resend.webhook_secret), clock))

    def _bind(self, name: str, data_dir: DataDir) -> socket.socket:
        port = find_free(data_dir.port(name))
        data_dir.remember_port(name, port)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()  # who calls before it is served waits
        self.urls[name] = f"http://127.0.0.1:{port}"
        return listening


@asynccontextmanager
async def served(simulator: Simulator, listening: socket.socket) -> AsyncIterator[None]:
    """Serve one simulator on a bound socket."""
    runner = web.AppRunner(simulator.application(), access_log=None, shutdown_timeout=GRACE_S)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    try:
        yield
    finally:
        await simulator.close()
        await runner.cleanup()


def _twilio(account: Twilio, webhook: str, public_url: str | None) -> TwilioSimulator:
    return TwilioSimulator(
        SystemClock(),
        account_sid=account.account_sid or "",
        auth_token=_shown(account.auth_token),
        webhook=webhook,
        public_webhook=f"{public_url.rstrip('/')}{STATUS_PATH}" if public_url else None,
    )


def _shown(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
