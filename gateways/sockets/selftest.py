"""Owns the look, at every start, at whether websockets can go on apart from aiohttp's requests.

That relies on parts of aiohttp which nobody promises. Where they have changed, there is the slower way.
"""

import asyncio
import socket
from typing import Final

import aiohttp
import structlog
from aiohttp import web

from bus.tasks import spawn
from gateways.connections import Patience, served
from gateways.sockets import frames
from gateways.sockets.websocket import Opening, Websocket
from gateways.sockets.wire import end

log = structlog.get_logger(__name__)

TEST_S: Final = 5.0


async def direct_works() -> bool:
    """Try on a loopback websocket whether frames go both ways, whole and in order, without its handler."""
    try:
        async with asyncio.timeout(TEST_S):
            heard = await _heard()
    except Exception as error:  # noqa: BLE001  whatever a changed aiohttp raises, there is the other way
        heard = [f"{type(error).__name__}: {error}"]
    if heard == ["1", "2", "3", "4", 4000]:
        return True
    log.warning("websockets stay with aiohttp: sending is slower, and takes more memory", heard=heard)
    return False


async def _heard() -> list[object]:
    async def begin(request: web.Request) -> web.WebSocketResponse:
        opening = Opening(compress=False, autoclose=False)
        await opening.prepare(request)
        await opening.send_str("1")
        if websocket := opening.leave(request):
            websocket.transport.write(frames.text(b"2") + frames.text(b"3"))
            spawn(_echo(websocket), name="self-test")
        return opening

    app = web.Application()
    app.router.add_get("/", begin)
    bound = socket.create_server(("127.0.0.1", 0))
    async with served(app, bound, Patience(most=1)):
        return await _talk("http://{}:{}/".format(*bound.getsockname()))


async def _echo(websocket: Websocket) -> None:
    said = await websocket.receive()
    websocket.transport.write(frames.text(said.data.encode()))
    end(websocket.transport, 4000, "done")
    await websocket.receive()
    websocket.close(TEST_S)


async def _talk(url: str) -> list[object]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        heard: list[object] = [await ws.receive_str() for _ in range(3)]
        await ws.send_str("4")
        heard += [message.data async for message in ws]
        return [*heard, ws.close_code]
