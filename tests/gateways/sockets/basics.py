"""Tokens, timings and a clock for tests of the sockets."""

import socket
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from gateways.auth import issue
from gateways.connections import Patience, served
from gateways.sockets.timings import Timings
from schemas.clock import SystemClock

SECRET = "a secret of thirty-two bytes, or more"


def token_of(user: str, *scopes: str, ttl: float = 3600) -> str:
    return issue(SECRET, user, scopes or ("user",), timedelta(seconds=ttl), SystemClock())


def quick(**timings: Any) -> Timings:
    """Timings that let a test end soon, whatever its clients do."""
    return Timings(**{"close_grace": 0.5, "clock_check": 0.02, **timings})


class Runner:
    """An application on loopback, over the connections that `hub serve` makes, until `cleanup`."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.url = url
        self._stack = stack

    @classmethod
    async def start(cls, app: web.Application) -> "Runner":
        bound, stack = socket.create_server(("127.0.0.1", 0)), AsyncExitStack()
        await stack.enter_async_context(served(app, bound, Patience(most=1_000, grace=2)))
        return cls("http://{}:{}".format(*bound.getsockname()), stack)

    async def cleanup(self) -> None:
        await self._stack.aclose()


class MovableClock:
    """The system's clock, put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead
