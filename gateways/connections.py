"""Owns connections: how many, how long one may stay silent, how they end, and what is answered to no HTTP."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import structlog
from aiohttp import web

from gateways.headers import ALWAYS, SERVER
from gateways.limits import RateLimiter
from gateways.problems import ProblemError, render

BACKLOG = 2048
LOOK_S = 0.02

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
    passed: bool = False
    """Whether connections are passed on by another process, which has seen the beginning of a request.

    It chooses by that request, so each connection is taken for one request only (or for a websocket)."""


class Door:
    """Makes a connection for everyone who comes, and knows how many there are."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.open = 0
        self.server: web.Server | None = None
        self._closing = False
        self._told = RateLimiter(0.1, 5, time.monotonic)

    def __call__(self) -> asyncio.Protocol:
        if self.server is None:
            raise RuntimeError("nobody is served yet")
        return Connection(self, self.server)

    def left(self) -> None:
        """Count a connection as lost."""
        self.open -= 1

    async def say_last(self, _: web.Request, response: web.StreamResponse) -> None:
        """Tell in the answer that no other will follow over this connection, if that is so."""
        if (self.patience.passed or self._closing) and not isinstance(response, web.WebSocketResponse):
            response.force_close()
            response.headers["Connection"] = "close"  # aiohttp has written its own headers already

    async def close(self) -> None:
        """Let what is under way end, for a while."""
        self._closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience.grace):
                while self._is_busy():  # noqa: ASYNC110  nobody tells when a request has ended
                    await asyncio.sleep(LOOK_S)

    def _is_busy(self) -> bool:
        connections = self.server.connections if self.server else ()
        return any(one.is_busy for one in connections if isinstance(one, Connection))

    def tell(self, event: str, **details: object) -> None:
        """Log one short line, and not many of them: strangers decide how often there is reason to."""
        if not self._told.take(event):
            log.warning(event, **details)


class Connection(web.RequestHandler):
    """One connection; it ends if no whole request comes in time, or if there are too many already."""

    __slots__ = ("_deadline", "_door")

    def __init__(self, door: Door, server: web.Server) -> None:
        patience = door.patience
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, access_log=None, keepalive_timeout=patience.idle)  # type: ignore[arg-type]  # None is what AppRunner documents
        self._door = door
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a request has begun and is not answered."""
        began = self._door.patience.passed and self._request_count == 0
        return began or bool(self._messages) or self._current_request is not None

    @property
    def is_paused(self) -> bool:
        """Whether nothing is read, because enough waits already."""
        return self._reading_paused

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._door.open += 1
        if self._door.open > self._door.patience.most:
            most = self._door.patience.most
            self._door.tell("too many connections", open=self._door.open, most=most)
            self.force_close()  # nothing is read
            # Not yet: the transports of `hub serve` begin to read after this, and the socket would be closed.
            self._loop.call_soon(cast("asyncio.Transport", transport).abort)
            return
        super().connection_made(transport)
        self._deadline = self._loop.call_later(self._door.patience.head, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._door.left()
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def hand_over(self, heir: asyncio.Protocol) -> Callable[[], None]:
        """Leave an open connection to another protocol. Answers what that must call when it is lost.

        To aiohttp it is lost now: the request ends as soon as its handler returns, and nothing of it is kept.
        Who has parsed the connection so far goes on in the hands of the heir, who must also know whether it
        is read (`is_paused`). Raises ConnectionResetError if the connection is lost already.
        """
        if self.transport is None:
            raise ConnectionResetError("the connection is lost")
        self.transport.set_protocol(heir)
        self.transport = self._payload_parser = None
        self._door.open += 1  # the heir's, as our own is lost
        self.connection_lost(None)
        return self._door.left

    def _give_up(self) -> None:
        """Cut who has not said what they want; after the first request the time for idling counts."""
        if self._request_count == 0 and self.transport is not None:
            self.transport.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; aiohttp refuses an unknown `Expect` before any of our own code runs."""
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = render(
                ProblemError(417, "expectation_failed", "send `Expect: 100-continue` or none at all")
            )
        return await super().finish_response(request, resp, start_time)

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


class _Runner(web.AppRunner):
    """Shuts the application down first: aiohttp would stop to read before, from websockets and bodies too."""

    def __init__(self, app: web.Application, door: Door) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=door.patience.grace)
        self._door = door

    async def cleanup(self) -> None:
        if self.server is not None:
            await self.app.shutdown()
            await self._door.close()
        await super().cleanup()

    async def shutdown(self) -> None:
        """Do nothing: it is done."""


@asynccontextmanager
async def opened(app: web.Application, patience: Patience) -> AsyncIterator[Door]:
    """Run an application for connections that are made with the door."""
    door = Door(patience)
    app.on_response_prepare.append(door.say_last)
    runner = _Runner(app, door)
    try:
        await runner.setup()  # what has begun when this fails is ended, too
        door.server = runner.server
        yield door
    finally:
        await runner.cleanup()


@asynccontextmanager
async def served(app: web.Application, bound: socket.socket, patience: Patience) -> AsyncIterator[None]:
    """Serve an application on a bound socket."""
    async with opened(app, patience) as door:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(door, sock=bound, backlog=BACKLOG)
        try:
            yield
        finally:
            server.close()
