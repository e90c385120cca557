"""Owns the simulators of one `hub up`: which ones are needed, where they listen, and their life."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web

from ops.embedded.data_dir import DataDir
from ops.embedded.ports import find_free
from ops.embedded.progress import say
from ops.settings import Settings
from ops.simulators.base import Simulator
from ops.simulators.resend import ResendSimulator
from ops.simulators.simulated import webhook_secret, with_simulators
from ops.simulators.svix import Svix
from schemas.clock import SystemClock

GRACE_S = 0.1


class Simulators:
    """Bound to loopback before the hub starts, so that it can be told where they are."""

    def __init__(self, settings: Settings, data_dir: DataDir, hub_url: str) -> None:
        self.urls: dict[str, str] = {}
        self._bound: list[tuple[Simulator, socket.socket]] = []
        self._secret = data_dir.auth_secret()
        if settings.resend.api_key is None:
            svix = Svix(f"{hub_url}/webhooks/resend", webhook_secret(self._secret), SystemClock())
            self._bind(ResendSimulator(SystemClock(), svix), data_dir)
            say(f"e-mail is simulated at {self.urls['resend']}; HUB_RESEND__API_KEY sends real ones")

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

    def _bind(self, simulator: Simulator, data_dir: DataDir) -> None:
        port = find_free(data_dir.port(simulator.name))
        data_dir.remember_port(simulator.name, port)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()  # who calls before it is served waits
        self._bound.append((simulator, listening))
        self.urls[simulator.name] = f"http://127.0.0.1:{port}"


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
