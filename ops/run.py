"""Owns the life of a hub process: which roles it plays, how it starts, and how it ends."""

import asyncio
import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import structlog
from aiohttp import web

from gateways.app import create_app
from ops.settings import Settings, SettingsError
from ops.wiring import base, doors, workers

log = structlog.get_logger(__name__)

READY_S: Final = 30.0
GRACE_S: Final = 5.0
BACKLOG: Final = 2048
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

Ready = Callable[[str], None]


def bind(host: str, port: int) -> socket.socket:
    """Take the port before anything else is started; raises SettingsError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"port {port} on {host} is in use: end what uses it, or take another --port"
            ) from None
        raise SettingsError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listening


def url_of(listening: socket.socket) -> str:
    """Answer the address under which a bound socket is reached."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(settings: Settings, listening: socket.socket, ready: Ready) -> None:
    """Be the doors until a signal ends it."""
    stop = _on_signal()
    async with base(settings) as parts, doors(parts) as gateway, _site(create_app(gateway), listening):
        ready(url_of(listening))
        await stop.wait()


async def work(settings: Settings) -> None:
    """Be the relay, the groups and the maintenance until a signal ends it."""
    stop = _on_signal()
    async with base(settings) as parts, workers(parts):
        log.info("working", worker=parts.name)
        await stop.wait()


async def everything(
    settings: Settings,
    listening: socket.socket,
    ready: Ready,
    beside: Callable[[], Coroutine[Any, Any, None]],
    *,
    dev_secret: str | None,
) -> None:
    """Play all roles in this process, with `beside` running next to them, until a signal ends it."""
    stop = _on_signal()
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(base(settings))
        gateway = await stack.enter_async_context(doors(parts, dev_secret=dev_secret))
        await stack.enter_async_context(workers(parts))
        await stack.enter_async_context(_site(create_app(gateway), listening))
        watching = asyncio.ensure_future(beside())
        stack.callback(watching.cancel)
        await _until_ready(gateway.readiness)
        ready(url_of(listening))
        await stop.wait()


async def _until_ready(checks: Any) -> None:
    async with asyncio.timeout(READY_S):
        for check in checks.values():
            await check()


@asynccontextmanager
async def _site(app: web.Application, listening: socket.socket) -> AsyncIterator[None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listening, backlog=BACKLOG).start()
        yield
    finally:
        await runner.cleanup()


def _on_signal() -> asyncio.Event:
    """Take SIGINT and SIGTERM from now on: the first sets the event, a second ends the process at once."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        log.info("stopping")
        asked.set()
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
    return asked
