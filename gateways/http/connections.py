"""Owns connections: how many, how long one may stay silent, and what is answered to what is no HTTP."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from gateways.headers import ALWAYS, SERVER
from gateways.limits import RateLimiter
from gateways.problems import ProblemError, render

BACKLOG = 2048

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How many connections a process takes, and what it waits for (in seconds)."""

    most: int
    head: float = 10.0
    """For the whole first request line and headers."""
    idle: float = 75.0
    """For the next request, complete; longer than proxies keep their connections."""
    grace: float = 5.0
    """For what is under way when the process stops."""


class Door:
    """Makes a connection for everyone who comes, and knows how many there are."""

    def __init__(self, server: web.Server, patience: Patience) -> None:
        self.patience = patience
        self.open = 0
        self._server = server
        self._told = RateLimiter(0.1, 5, time.monotonic)

    def __call__(self) -> asyncio.Protocol:
        return Connection(self, self._server)

    def tell(self, event: str, **details: object) -> None:
        """Log one short line, and not many of them: strangers decide how often there is reason to."""
        if not self._told.take(event):
            log.warning(event, **details)


class Connection(web.RequestHandler):
    """One connection; it ends if no whole request comes in time, or if there are too many already."""

    def __init__(self, door: Door, server: web.Server) -> None:
        patience = door.patience
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, access_log=None, keepalive_timeout=patience.idle)  # type: ignore[arg-type]  # None is what AppRunner documents
        self._door = door
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._door.open += 1
        if self._door.open > self._door.patience.most and isinstance(transport, asyncio.Transport):
            self._door.tell("too many connections", open=self._door.open)
            transport.abort()
            return
        super().connection_made(transport)
        self._deadline = self._loop.call_later(self._door.patience.head, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.open -= 1
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        """Cut who has not said what they want; after the first request the time for idling counts."""
        if self._request_count == 0 and self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP without quoting it, in the log neither: it may hold a token."""
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            self._door.tell("a request cannot be read", reason=type(exc).__name__)
            response: web.StreamResponse = render(
                ProblemError(status, "malformed", "this is no HTTP request that can be read")
            )
        else:
            response = super().handle_error(request, status, exc, message)
        response.headers.update({**ALWAYS, "Server": SERVER})
        response.force_close()
        return response


@asynccontextmanager
async def served(app: web.Application, bound: socket.socket, patience: Patience) -> AsyncIterator[None]:
    """Serve an application on a bound socket."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=patience.grace)
    await runner.setup()
    try:
        if runner.server is None:
            raise RuntimeError("the runner has no server after its set-up")
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Door(runner.server, patience), sock=bound, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
    finally:
        await runner.cleanup()
