"""Owns the application of one gateway process: HTTP, sockets, and what runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import web

from bus.push_log import PushTail
from bus.tasks import cancel, spawn
from gateways.gateway import Gateway
from gateways.http.application import http_application
from gateways.sockets.server import HubSockets, attach
from schemas.errors import ExplainedError

log = structlog.get_logger(__name__)

STUCK_S: Final = 30.0


class StuckError(ExplainedError):
    """What happened before this process began cannot be read."""


def create_app(gateway: Gateway) -> web.Application:
    """Make the application; whoever runs it starts and stops everything in it. Raises ValueError."""
    app = http_application(gateway)
    sockets = attach(app, gateway)
    app.cleanup_ctx.append(lambda _app: _following(gateway, sockets))
    return app


async def _following(gateway: Gateway, sockets: HubSockets) -> AsyncIterator[None]:
    """Hand what the bus brings to the sockets for as long as the application runs."""
    running = [
        spawn(gateway.push.run(sockets.deliver, sockets.begin), name="push"),
        spawn(gateway.signals.run(sockets.signal), name="signals"),
        spawn(gateway.viewers.run(), name="viewer counts"),
    ]
    try:
        await caught_up(gateway.push)  # or those who come would hear of what was long ago
        yield
    finally:
        await cancel(*running)


async def caught_up(push: PushTail) -> None:
    """Wait until all is read that was there before us, however much it is.

    Raises StuckError when nothing came for STUCK_S seconds.
    """
    while True:
        position = push.position
        with suppress(TimeoutError):
            async with asyncio.timeout(STUCK_S):
                await push.caught_up.wait()
        if push.caught_up.is_set():
            return
        if push.position == position:
            raise StuckError(
                f"no event could be read for {STUCK_S:g} s (the last one was number {position or 0}): see "
                "whether PostgreSQL answers slowly or this machine is overloaded, and start again"
            )
        log.info("reading what happened before the start", number=push.position)
