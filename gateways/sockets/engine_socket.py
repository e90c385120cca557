"""Owns one Engine.IO session: its heartbeat, its buffer, and its transport (polling, then a websocket).

It replaces engineio's AsyncSocket, which keeps an unbounded queue, leaves a session open for ever when a
packet cannot be parsed, waits without end for a client that does not read, and takes the first part of a
large polled body for the whole.
"""

import asyncio
from base64 import b64decode
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import WebSocketError, WSMsgType, web

from bus.tasks import spawn
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.engine_config import EngineConfig
from gateways.sockets.send_buffer import SendBuffer
from gateways.sockets.websocket import Opening, Websocket
from gateways.sockets.wire import Nowhere, StockWire, Wire, end

POLLED_PACKETS: Final = 1000
WAITED_FOR: Final = 8
"""How far a burst may go beyond the limits while a poll waits for its turn to take it."""
NOWHERE: Final = Nowhere()
SPENT: Final = SendBuffer()
"""Of every settled websocket: what it is sent goes onto its wire."""
DROPPED_FROM: Final = 4
"""Signals are dropped from this part of the limits on."""


class BadRequestError(Exception):
    """The session exists, but this HTTP request is out of place."""


class Listener(Protocol):
    """Who is told what the client sends."""

    async def message(self, sid: str, text: str) -> None: ...
    async def attachment(self, sid: str, data: bytes) -> None: ...
    def malformed(self, sid: str, what: str) -> None: ...
    def closed(self, sid: str, closing: Closing) -> None: ...


class EngineSocket:
    """One session; `send` and `close` never wait. `forget` is called when its id means nothing any more."""

    __slots__ = (
        "_awaiting_pong",
        "_buffer",
        "_config",
        "_forget",
        "_listener",
        "_polling",
        "_posting",
        "_spared",
        "_timer",
        "_transport",
        "_wire",
        "closing",
        "sid",
        "upgrading",
        "websocket",
    )

    def __init__(
        self, sid: str, config: EngineConfig, listener: Listener, forget: Callable[[str], object]
    ) -> None:
        self.sid = sid
        self.closing: Closing | None = None
        self.upgrading = False
        self.websocket: Opening | Websocket | None = None
        self._config = config
        self._listener = listener
        self._forget = forget
        self._buffer = SendBuffer()
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self._spared = 0
        """Bytes given to the wire that do not count until it was empty once."""
        self._polling = self._posting = self._awaiting_pong = False
        self._timer: asyncio.TimerHandle = self._after(config.timings.ping_interval, self._ping)

    # What the server says

    def send(self, joined: bytes, *, droppable: bool = False) -> bool:
        """Send some frames; False if they were dropped. Who lets too much wait is closed."""
        if self.closing is not None:
            return False
        if self._wire is None:
            return self._send_later(joined, droppable)
        if unsent := self._wire.get_write_buffer_size():
            if droppable and unsent > self._config.max_unsent // DROPPED_FROM:
                return False
            if unsent > self._config.max_unsent + self._spared:
                self.close(Closing.SLOW)
                return False
        else:
            self._spared = 0
        self._wire.write(joined)
        return True

    def give_back(self, joined: bytes) -> bool:
        """Send what a client missed; it is not slow for having so much waiting. The caller bounds that."""
        if self.closing is not None:
            return False
        if self._wire is None:
            self._buffer.put_spared(joined)
        else:
            self._spared += len(joined)
            self._wire.write(joined)
        return True

    def _send_later(self, joined: bytes, droppable: bool) -> bool:
        """Keep frames for the next poll; a burst does not count while a poll waits to take it."""
        packets, size, buffer = self._config.max_packets, self._config.max_unsent, self._buffer
        if droppable and len(buffer) > packets // DROPPED_FROM:
            return False
        patience = WAITED_FOR if self._polling else 1
        if buffer.waiting >= packets * patience or buffer.size - buffer.spared_size >= size * patience:
            self.close(Closing.SLOW)
            return False
        buffer.put(joined)
        return True

    def close(self, closing: Closing, code: int | None = None) -> None:
        """End the session, with another code perhaps; what waits is still sent, if the reason allows it."""
        if self.closing is not None:
            return
        self.closing = closing
        self._timer.cancel()
        if self._wire is None:
            self._end_polling(closing)
        elif self._transport is not None:
            end(self._wire, code or closing.code, closing.words)
            self._timer = self._after(self._config.timings.close_grace, self._transport.abort)
        self._listener.closed(self.sid, closing)

    def _end_polling(self, closing: Closing) -> None:
        if closing.drops_buffer:
            self._buffer.clear()
        self._buffer.wake()
        if self._transport is not None:
            self._transport.abort()  # of the websocket that is being tried out
        if closing.is_polite:
            self._timer = self._after(self._config.timings.close_grace, self._forget, self.sid)
        else:
            self._forget(self.sid)

    def abort(self) -> None:
        """Cut the transport: there is no time left."""
        self.close(Closing.DRAINING)
        self._timer.cancel()
        self._forget(self.sid)
        if self._transport is not None:
            self._transport.abort()

    # Heartbeat

    def _ping(self) -> None:
        self._awaiting_pong = True
        self._timer = self._after(self._config.timings.ping_timeout, self.close, Closing.SILENT)
        self.send(frames.PING)

    def _pong(self) -> None:
        if not self._awaiting_pong:
            self._listener.malformed(self.sid, "a pong without a ping")
            return
        self._awaiting_pong = False
        self._timer.cancel()
        self._timer = self._after(self._config.timings.ping_interval, self._ping)

    # What the client says

    async def receive(self, packet: str) -> None:
        """Take one Engine.IO packet that came as text."""
        if self.closing is not None:
            return
        match packet[:1]:
            case "4":
                await self._listener.message(self.sid, packet[1:])
            case "3":
                self._pong()
            case "1":
                self.close(Closing.LEFT)
            case "b":
                await self._decode(packet)
            case _:
                self.close(Closing.MALFORMED)

    async def _decode(self, packet: str) -> None:
        try:
            data = b64decode(packet[1:], validate=True)
        except ValueError:
            self.close(Closing.MALFORMED)
        else:
            await self._listener.attachment(self.sid, data)

    # Polling

    async def poll(self, request: web.Request) -> bytes:
        """Answer a GET: what waits, or what comes first."""
        self._refuse_overlap(self._polling)
        if self.upgrading:
            return frames.NOOP
        self._polling = True
        try:
            while not (self._buffer or self.closing or self.websocket):
                await self._buffer.changed()  # a ping comes at the latest
        finally:
            self._polling = False
        if self.websocket:
            return frames.NOOP  # gone over while this poll waited
        if request.transport is None or request.transport.is_closing():
            self.close(Closing.LEFT)  # the answer would be lost, and a hole is worse than a new session
        if not self._buffer:  # the end comes by itself: the stock client reads nothing beside it
            self._timer.cancel()
            self._forget(self.sid)
            return frames.NOOP if self.closing is Closing.LEFT else frames.CLOSE
        return frames.SEPARATOR.join(self._buffer.take(self._config.max_bytes))

    def _refuse_overlap(self, busy: bool) -> None:
        if busy and not self.websocket:
            self.close(Closing.MALFORMED)
        if busy or self.websocket:
            raise BadRequestError

    async def post(self, request: web.Request) -> None:
        """Take the packets of a POST, one after the other."""
        self._refuse_overlap(self._posting)
        self._posting = True
        try:
            for packet in await self._posted(request):
                await self.receive(packet)
        finally:
            self._posting = False
        if self.closing is Closing.MALFORMED:
            raise BadRequestError

    async def _posted(self, request: web.Request) -> list[str]:
        try:
            async with asyncio.timeout(self._config.timings.body_timeout):
                packets = (await self._body(request)).decode().split("\x1e")
        except (UnicodeDecodeError, TimeoutError, web.RequestPayloadError):
            packets = []  # no text, too slow, or not encoded as its headers say
        if not 0 < len(packets) <= POLLED_PACKETS:
            self.close(Closing.MALFORMED)
            raise BadRequestError
        return packets

    async def _body(self, request: web.Request) -> bytes:
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > self._config.max_bytes:
                self.close(Closing.MALFORMED)
                raise BadRequestError
        return bytes(body)

    # Websocket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Talk over a websocket from the beginning; it may outlive the request."""
        try:
            ws = await self._open(request)
            await self._converse(ws, request)
        finally:
            if self._wire is None:
                self.close(Closing.LEFT)
                self._forget(self.sid)
        return ws

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """Go over from polling to a websocket, once the client has tried it out."""
        if self.upgrading or self.websocket:
            return await self._turn_away(request)
        self.upgrading = True
        try:
            ws = await self._open(request)
            confirmed = await self._probe(ws)
        finally:
            self.upgrading = False
            self._transport = None
        if confirmed and self.closing is None:
            await self._converse(ws, request)
        else:
            _let_go(ws)
        return ws

    async def _open(self, request: web.Request) -> Opening:
        ws = await self._prepared(request)
        self._transport = request.transport
        return ws

    async def _prepared(self, request: web.Request) -> Opening:
        ws = Opening(
            compress=False,  # a zlib state per connection costs more than the bytes it saves
            max_msg_size=self._config.max_bytes + 1,  # what aiohttp refuses
            autoclose=False,
            timeout=self._config.timings.close_grace,
        )
        await ws.prepare(request)
        return ws

    async def _turn_away(self, request: web.Request) -> web.StreamResponse:
        """Close a websocket beside the one there is: let open first, as Node does and the suites want."""
        ws = await self._prepared(request)
        await ws.close(code=Closing.MALFORMED.code, message=Closing.MALFORMED.words.encode())
        return ws

    async def _probe(self, ws: Opening) -> bool:
        try:
            async with asyncio.timeout(self._config.timings.upgrade_timeout):
                if (await ws.receive()).data != "2probe":
                    return False
                await ws.send_str("3probe")
                if self._polling:
                    self._buffer.put_packet(frames.NOOP)  # ends the poll: the client waits for it
                return bool((await ws.receive()).data == "5")
        except (TimeoutError, ConnectionError):
            return False

    async def _converse(self, ws: Opening, request: web.Request) -> None:
        """Talk apart from the request where that can be, else as long as it lasts."""
        if self.closing is not None or request.transport is None:
            self.close(Closing.LEFT)
            return
        self._transport = request.transport
        if self._config.direct and (websocket := ws.leave(request)):
            websocket.on_lost = self._lose
            self._settle(websocket, self._transport)
            spawn(self._talk(websocket), name="websocket")
        else:
            stock = StockWire(ws)
            self._settle(ws, stock)
            try:
                await self._talk(ws)
            finally:
                stock.stop()
                _let_go(ws)

    def _settle(self, websocket: Opening | Websocket, wire: Wire) -> None:
        """Send over a websocket from now on, first what waits."""
        self.websocket, self._wire = websocket, wire
        if self._buffer:
            self._spared = self._buffer.spared_size
            wire.write(self._buffer.take_frames())
        self._buffer.wake()
        self._buffer = SPENT

    def _lose(self) -> None:
        """Send no more; what the client said before is still heard."""
        self._wire = NOWHERE

    async def _talk(self, websocket: Opening | Websocket) -> None:
        try:
            await self._read(websocket)
        finally:
            try:
                self.close(Closing.LEFT)
            finally:
                self._timer.cancel()
                self._forget(self.sid)
                if isinstance(websocket, Websocket):
                    websocket.close(self._config.timings.close_grace)

    async def _read(self, websocket: Opening | Websocket) -> None:
        """Read until the client or the transport closes, also after our own close: its answer is awaited."""
        while True:
            message = await websocket.receive()
            match message.type:
                case WSMsgType.TEXT:
                    await self.receive(message.data)
                case WSMsgType.BINARY:
                    if self.closing is None:
                        await self._listener.attachment(self.sid, message.data)
                case WSMsgType.PING if self._transport is not None and not self._transport.is_closing():
                    self.send(frames.pong(message.data))  # else one more that a transport complains about
                case WSMsgType.PING | WSMsgType.PONG:
                    pass
                case _:
                    if isinstance(message.data, WebSocketError):
                        self.close(Closing.of_frames(message.data.code), message.data.code)
                    return

    @staticmethod
    def _after(seconds: float, do: Callable[..., object], *given: object) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, do, *given)


def _let_go(ws: web.WebSocketResponse) -> None:
    """Break the ring that a cut connection leaves: its error holds frames, and they hold it.

    A process that is ready hardly ever searches for such garbage (ops/loop.py).
    """
    if error := ws.exception():
        error.__traceback__ = error.__context__ = None
