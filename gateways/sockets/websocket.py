"""Owns a websocket after its handshake, apart from the request that it began as.

aiohttp keeps a request as long as its handler talks: the headers, two tasks, and the frame of every function
in between. That is a third of what a connection takes. Here only aiohttp's parser is left, and its queue.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WebSocketError, WSMessage, WSMsgType, web
from aiohttp.http_websocket import WebSocketReader
from aiohttp.streams import EofStream

from gateways.connections import Connection

OVER: Final = WSMessage(WSMsgType.CLOSED, None, None)


class Lost:
    """What a queue finds in place of a connection that is lost: else each would keep the other in memory."""

    _reading_paused = False

    @staticmethod
    def pause_reading() -> None:
        """Nothing comes any more; what had come may still be more than the queue takes at a time."""


class Websocket(asyncio.Protocol):
    """Takes what the client sends; what it is sent is written into its transport."""

    __slots__ = (
        "__weakref__",
        "_cut",
        "_ended",
        "_parser",
        "_queue",
        "_reading_paused",
        "on_lost",
        "transport",
    )

    def __init__(
        self, connection: Connection, transport: asyncio.Transport, parser: WebSocketReader, queue: Any
    ) -> None:
        self.transport = transport
        self.on_lost: Callable[[], None] | None = None
        """Called when the connection is lost, before what came last is read."""
        self._parser = parser
        self._queue = queue
        self._cut: asyncio.TimerHandle | None = None
        self._reading_paused = connection.is_paused
        queue._protocol = self  # noqa: SLF001  its way to pause the transport when more comes than is read
        self._ended: Callable[[], None] | None = connection.hand_over(self)

    async def receive(self) -> WSMessage:
        """Answer the next message, control frames as well. After an ERROR or the end there is no other."""
        try:
            return await self._queue.read()  # type: ignore[no-any-return]
        except EofStream:
            return OVER
        except WebSocketError as error:
            error.__traceback__ = None  # the parser keeps the error, and this would keep the parser
            return WSMessage(WSMsgType.ERROR, error, None)  # as aiohttp does

    def close(self, grace_s: float) -> None:
        """Close when what was written has left; cut it if the client does not take that in time."""
        if self._ended is not None:
            self.transport.close()
            self._cut = asyncio.get_running_loop().call_later(grace_s, self.transport.abort)

    # What the transport says

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)  # an error in it is for who reads

    def connection_lost(self, exc: Exception | None) -> None:
        self._queue.feed_eof()
        self._queue._protocol = Lost  # noqa: SLF001  as above
        for tell in (self._ended, self.on_lost):
            if tell is not None:
                tell()
        if self._cut is not None:
            self._cut.cancel()
        self._ended = self.on_lost = self._cut = None

    # What the queue says

    def pause_reading(self) -> None:
        self._reading_paused = True
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        self._reading_paused = False
        self.transport.resume_reading()


class Opening(web.WebSocketResponse):
    """The handshake. Its websocket may go on for itself, or stay with aiohttp until the handler returns."""

    _left = False

    def leave(self, request: web.Request) -> Websocket | None:
        """Let the websocket go on alone; None where the connection is none of ours, or gone."""
        connection, transport = request.protocol, request.transport
        if not isinstance(connection, Connection) or transport is None or self._parser is None:
            return None
        self._left = True
        return Websocket(connection, transport, self._parser, self._reader)

    async def write_eof(self) -> None:  # type: ignore[override]  # as in aiohttp
        """End the websocket, unless it goes on."""
        if not self._left:
            await super().write_eof()
