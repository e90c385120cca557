"""Owns how frames get onto a websocket: straight into the transport, or through aiohttp's own writer.

The first costs one call for each client and needs no task; it holds only as long as aiohttp leaves the
transport of a prepared websocket alone. `direct_works` finds that out at start, on real sockets.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

import aiohttp
import structlog
from aiohttp import WSMsgType, web

from bus.tasks import spawn
from gateways.sockets import frames

log = structlog.get_logger(__name__)

TEST_S: Final = 5.0


class Wire(Protocol):
    """Takes frames and never waits. What has not left yet stays in one queue, in order.

    A transport is one as it is: among thousands of sockets, each object that a delivery passes costs.
    """

    def write(self, data: bytes, /) -> None: ...

    def get_write_buffer_size(self) -> int:
        """In bytes, roughly; 0 when everything went into the system's buffer."""
        ...


class StockWire:
    """Frames wait for a task that hands their packets to aiohttp one by one."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self._ws = ws
        self._packets: deque[bytes] = deque()
        self._waiting = 0
        self._woken = asyncio.Event()
        self._end: bytes | None = None
        self._task: asyncio.Task[None] | None = spawn(self._run(), name="socket writer")

    def write(self, data: bytes, /) -> None:
        if self._task is None:
            return
        for packet in frames.packets(data):
            self._packets.append(packet)
            self._waiting += len(packet)
        self._woken.set()

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def end(self, code: int, reason: str) -> None:
        self._end = code.to_bytes(2, "big") + reason.encode()
        self._woken.set()

    def stop(self) -> None:
        if self._task:
            self._task.cancel()
        self._task = None  # no ring is left that only a search for garbage would find

    async def _run(self) -> None:
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                while self._packets:
                    packet = self._packets.popleft()
                    opcode, payload = frames.payload(packet)
                    await self._ws.send_frame(payload, WSMsgType(opcode))
                    self._waiting -= len(packet)
                if self._end is not None:
                    await self._ws.send_frame(self._end, WSMsgType.CLOSE)
                    return
        except ConnectionError:
            return  # the reader sees it, too


def wire(ws: web.WebSocketResponse, transport: asyncio.Transport, *, direct: bool) -> Wire:
    return transport if direct else StockWire(ws)


def end(wire: Wire, code: int, reason: str) -> None:
    """Send what waits, then the websocket's end."""
    if isinstance(wire, StockWire):
        wire.end(code, reason)
    else:
        wire.write(frames.closed(code, reason))


def stop(wire: Wire) -> None:
    """Nobody listens any more; a transport ends with its connection."""
    if isinstance(wire, StockWire):
        wire.stop()


async def direct_works() -> bool:
    """Try on a loopback websocket whether frames written by us and by aiohttp arrive whole and in order."""
    try:
        async with asyncio.timeout(TEST_S):
            heard = await _heard()
    except Exception as error:  # noqa: BLE001  whatever a changed aiohttp raises, there is the other way
        heard = [f"{type(error).__name__}: {error}"]
    if heard == ["1", "2", "3", "4", 4000]:
        return True
    log.warning("frames cannot be written directly: sending is slower", heard=heard)
    return False


async def _heard() -> list[object]:
    async def speak(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, autoclose=False)
        await ws.prepare(request)
        await ws.send_str("1")
        if request.transport is None:
            return ws
        straight = wire(ws, request.transport, direct=True)
        straight.write(frames.text(b"2") + frames.text(b"3"))
        await ws.send_str("4")
        end(straight, 4000, "done")
        await ws.receive()
        return ws

    app = web.Application()
    app.router.add_get("/", speak)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return await _listen(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    finally:
        await runner.cleanup()


async def _listen(url: str) -> list[object]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
        heard: list[object] = [message.data async for message in ws]
        return [*heard, ws.close_code]
