"""Owns the application of one gateway process: HTTP, sockets, and what runs beside them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from bus.tasks import cancel, spawn
from gateways.gateway import Gateway
from gateways.http.application import http_application
from gateways.sockets.server import HubSockets, attach

CATCH_UP_S: Final = 30.0


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
        async with asyncio.timeout(CATCH_UP_S):
            await gateway.push.caught_up.wait()  # or those who come would hear of what was long ago
        yield
    finally:
        await cancel(*running)
