"""Owns how frames get onto a websocket: straight into its transport, or through aiohttp's own writer.

The first costs one call for each client and needs no task.
"""

import asyncio
from collections import deque
from typing import Protocol

from aiohttp import WSMsgType, web

from bus.tasks import spawn
from gateways.sockets import frames


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


class Nowhere:
    """The wire of a connection that is lost, while what came last over it is still being handled."""

    def write(self, data: bytes, /) -> None:
        """Throw it away: transports log a warning for each."""

    def get_write_buffer_size(self) -> int:
        return 0


def end(wire: Wire, code: int, reason: str) -> None:
    """Send what waits, then the websocket's end."""
    if isinstance(wire, StockWire):
        wire.end(code, reason)
    else:
        wire.write(frames.closed(code, reason))
