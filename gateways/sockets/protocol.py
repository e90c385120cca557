"""Owns the way into python-socketio, untyped and pinned: every override of its private parts is here.

Its server trusts the wire: a client can call `connect` and `disconnect` with invented arguments, have a
million attachments buffered, run handlers without number or order, and break packets for ever. The class
below takes the packets instead; rooms, sign-in and transports are kept by typed modules of our own.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Collection, Sequence
from functools import partial
from typing import Any, Final, Protocol

import orjson
import socketio
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from socketio import packet as wire

from bus.telemetry import MALFORMED_PACKETS, SLOW_CLOSES, SOCKET_CLOSES, SOCKET_OPENS
from gateways.config import GatewayConfig
from gateways.limits import Bucket
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Connection, Session
from gateways.sockets.engine_config import EngineConfig
from gateways.sockets.engine_http import EngineHttp, asks_for_websocket
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.lanes import Lanes
from gateways.sockets.namespace import RefusedError
from gateways.sockets.reception import Admission, Reception
from gateways.sockets.timings import Timings

FORGIVEN: Final = 3
"""How many broken packets a connection may send; one more closes it."""
ATTACHMENTS: Final = 10
LARGE_CHARS: Final = 16_384
"""The longest packet taken from who is signed in nowhere: room for a large token. To the others a longer
one counts as several: one more for each time this much."""
HEAD_CHARS: Final = 300
"""How much of a packet is read to learn whose answer its sender waits for."""
PATIENCE: Final = 10
"""How many bursts of refused events a connection may send before it is closed."""

INVALID: Final = RefusedError("invalid", "an event is a list that begins with its name")
BINARY: Final = RefusedError("invalid", "binary data is not taken: send JSON")
TOO_MANY: Final = RefusedError("rate_limited", "too many events: slow down")

# All there from the start: Prometheus cannot see an increase in what it never saw before.
CLOSES: Final = {closing: SOCKET_CLOSES.labels(closing.name.lower()) for closing in Closing}

log = structlog.get_logger(__name__)
library_log = logging.getLogger("socketio")  # handed over, or the library would set up its own


class Json:
    """Strict where the library's is not: no NaN, no half surrogates, no bottomless nesting."""

    @staticmethod
    def loads(text: str) -> Any:
        return orjson.loads(text)

    @staticmethod
    def dumps(value: Any, **_: object) -> str:
        return orjson.dumps(value).decode()


class HubPacket(wire.Packet):  # type: ignore[misc]  # the library is untyped
    """A Socket.IO packet."""

    json = Json


class SignIns(Protocol):
    """Who decides about sign-ins, and puts the session into `connection.sessions` or answers why not."""

    async def connect(self, connection: Connection, namespace: str, auth: object) -> None: ...
    def end(self, session: Session, *, for_good: bool) -> None: ...


class Handling(Protocol):
    """Who handles events, and answers those that want it."""

    async def handle(
        self, session: Session, name: str, arguments: Sequence[Any], ack_id: int | None
    ) -> None: ...


class HubServer(socketio.AsyncServer):  # type: ignore[misc]  # the library is untyped
    """Takes what clients send, and lets through what is sound, welcome and not too much.

    Binary events are taken in the namespaces of `binary` alone, from those who are signed in there.
    """

    def __init__(
        self,
        config: GatewayConfig,
        timings: Timings,
        *,
        namespaces: Collection[str],
        reception: Reception,
        sessions: SignIns,
        events: Handling,
        binary: Collection[str] = (),
        forgiven: int = FORGIVEN,
    ) -> None:
        limits = config.limits
        self.connections: dict[str, Connection] = {}
        self._limits = limits
        self._timings = timings
        self._names = frozenset(namespaces)
        self._reception = reception
        self._sessions = sessions
        self._events = events
        self._takes_binary = frozenset(binary)
        self._forgiven = forgiven
        engine = EngineConfig(
            timings=timings,
            max_bytes=limits.body_bytes,
            max_packets=limits.socket_buffer,
            max_unsent=limits.socket_unsent_bytes,
            prefix=config.session_prefix,
        )
        self.http = EngineHttp(engine, self, origins=config.allowed_origins, public_url=config.public_url)
        super().__init__(
            async_mode="aiohttp",
            monitor_clients=False,
            serializer=HubPacket,
            logger=library_log,
            engineio_logger=library_log,
        )

    def attach(self, app: web.Application, socketio_path: str = "socket.io") -> None:
        """Serve the path through EngineHttp; the engine of the library answers nobody."""
        handle = self.http.handle

        @web.middleware
        def apart(request: web.Request, handler: Handler) -> Awaitable[web.StreamResponse]:
            """Lead websockets past what is for answers: each layer takes memory while one is open."""
            if request.match_info.handler == handle and asks_for_websocket(request):
                return handle(request)
            return handler(request)

        app.middlewares.insert(0, apart)
        for path in (f"/{socketio_path}/", f"/{socketio_path}"):
            app.router.add_route("*", path, handle)

    # The door of EngineHttp

    def admit(self, request: web.Request) -> Admission | None:
        return self._reception.admit(request)

    def opened(self, socket: EngineSocket, admission: Admission) -> None:
        lanes = Lanes(self._limits.socket_in_flight)
        connection = Connection(socket, admission.address, lanes, admission.refusal)
        self.connections[socket.sid] = connection
        self._reception.came(admission.refusal)
        SOCKET_OPENS.inc()
        patience = self._timings.refused_linger if admission.refusal else self._timings.connect_timeout
        connection.start_deadline(patience, Closing.UNUSED)

    def closed(self, sid: str, closing: Closing) -> None:
        connection = self.connections.pop(sid)
        connection.stop_deadline()
        for session in tuple(connection.sessions.values()):
            left = session.namespace in connection.leaving
            self._sessions.end(session, for_good=left or closing is Closing.SUSPENDED)
        self._reception.left(connection.refusal)
        CLOSES[closing].inc()
        if closing is Closing.SLOW:
            SLOW_CLOSES.inc()
        if closing.is_noteworthy:
            log.info("a connection was closed", reason=closing.words, address=connection.address)

    def malformed(self, sid: str, what: str) -> None:
        """Count a broken packet; a few are forgiven, and only the first is worth a line in the log."""
        MALFORMED_PACKETS.inc()
        connection = self.connections.get(sid)
        if connection is None:
            return  # closed meanwhile, for not reading the answers
        connection.malformed += 1
        if connection.malformed == 1:
            log.warning("a client sends broken packets", what=what, address=connection.address)
        if connection.malformed > self._forgiven:
            connection.socket.close(Closing.MALFORMED)

    async def attachment(self, sid: str, data: bytes) -> None:
        """Take a binary message; those of a packet that was refused are expected, and thrown away."""
        connection = self.connections[sid]
        if connection.draining:
            return
        if not connection.attachments:
            self.malformed(sid, "binary data that belongs to no packet")
            return
        connection.attachments -= 1
        if connection.gathering is not None:
            await self._gather(connection, connection.gathering, data)

    async def _gather(self, connection: Connection, packet: HubPacket, data: bytes) -> None:
        if sum(map(len, packet.attachments), len(data)) > self._limits.body_bytes:
            connection.socket.close(Closing.MALFORMED)
            return
        if not connection.attachments:
            connection.gathering = None
        try:
            complete = packet.add_attachment(data)
        except (LookupError, TypeError, RecursionError):  # the library takes any placeholder for sound
            self.malformed(connection.sid, "a placeholder for no attachment")
            return
        if complete:
            await self._event(connection, packet.namespace or "/", packet)

    async def message(self, sid: str, text: str) -> None:
        """Take one Socket.IO packet."""
        connection = self.connections[sid]
        if connection.draining:
            return
        connection.attachments, connection.gathering = 0, None
        # Decoding may cost much more than sending did: that is paid for before, with a token and by size.
        if len(text) > LARGE_CHARS and not await self._is_signed_in(connection):
            self.malformed(sid, "a large packet from who is not signed in")
        elif self._may(connection, 1 + len(text) // LARGE_CHARS):
            await self._take(connection, text)
        else:
            self._turn_away(connection, text)

    # Packets

    @staticmethod
    async def _is_signed_in(connection: Connection) -> bool:
        if not connection.sessions:
            await connection.lanes.finish()  # a sign-in may be under way
        return bool(connection.sessions)

    async def _take(self, connection: Connection, text: str) -> None:
        try:
            packet = HubPacket(encoded_packet=text)
        except ValueError:
            self.malformed(connection.sid, "not a Socket.IO packet")
            return
        namespace = packet.namespace or "/"
        match packet.packet_type if text else None:
            case wire.CONNECT:
                await self._connect(connection, namespace, packet.data)
            case wire.DISCONNECT:
                await self._disconnect(connection, namespace)
            case wire.EVENT:
                await self._event(connection, namespace, packet)
            case wire.BINARY_EVENT if namespace in self._takes_binary & connection.sessions.keys():
                self._await_attachments(connection, packet)
            case wire.BINARY_EVENT | wire.BINARY_ACK:
                self._refuse_binary(connection, namespace, packet, BINARY)
            case _:
                self.malformed(connection.sid, "a packet no client sends here")

    def _turn_away(self, connection: Connection, text: str) -> None:
        """Refuse a packet beyond the allowance without decoding what it carries."""
        try:
            packet = _head(text)
        except ValueError:
            connection.socket.close(Closing.MALFORMED)
            return
        namespace = packet.namespace or "/"
        match packet.packet_type:
            case wire.CONNECT:
                connection.socket.send(frames.refused(namespace, TOO_MANY.message, TOO_MANY.code))
            case wire.EVENT:
                self._refuse(connection, namespace, packet.id, TOO_MANY)
            case wire.BINARY_EVENT | wire.BINARY_ACK:
                self._refuse_binary(connection, namespace, packet, TOO_MANY)

    async def _connect(self, connection: Connection, namespace: str, auth: object) -> None:
        if namespace not in self._names:
            # Without a code: the test suite of the protocol wants this object and nothing beside it.
            connection.socket.send(frames.refused(namespace, "Invalid namespace"))
        else:
            await connection.lanes.put(
                namespace, partial(self._sessions.connect, connection, namespace, auth)
            )

    async def _disconnect(self, connection: Connection, namespace: str) -> None:
        async def leave() -> None:
            connection.leaving -= {namespace}
            session = connection.sessions.get(namespace)
            if session is None:
                return  # also lest leaving what one is not in put off the deadline again and again
            self._sessions.end(session, for_good=True)
            if not connection.sessions:
                connection.start_deadline(self._timings.connect_timeout, Closing.UNUSED)

        if namespace in self._names:
            connection.leaving |= {namespace}
            await connection.lanes.put(namespace, leave)

    async def _event(self, connection: Connection, namespace: str, packet: HubPacket) -> None:
        data = packet.data
        # Names the client library keeps for itself (`connect`, …) mean nothing here: they are not found.
        if not (isinstance(data, list) and data and isinstance(data[0], str)):
            self._refuse(connection, namespace, packet.id, INVALID)
            self.malformed(connection.sid, "an event without a proper name")
        elif namespace in self._names:
            await connection.lanes.put(
                namespace, partial(self._handle, connection, namespace, data, packet.id)
            )

    async def _handle(self, connection: Connection, namespace: str, data: list[Any], ack: int | None) -> None:
        session = connection.sessions.get(namespace)
        if session is not None:  # else it was refused or ended, and what was under way is void
            await self._events.handle(session, data[0], data[1:], ack)

    @staticmethod
    def _await_attachments(connection: Connection, packet: HubPacket) -> None:
        if 0 < packet.attachment_count <= ATTACHMENTS:
            connection.attachments, connection.gathering = packet.attachment_count, packet
        else:
            connection.socket.close(Closing.MALFORMED)

    def _refuse_binary(
        self, connection: Connection, namespace: str, packet: HubPacket, answer: RefusedError
    ) -> None:
        """Refuse it, and let its attachments pass by: nothing the hub's own namespaces do is binary."""
        if packet.attachment_count > ATTACHMENTS:
            connection.socket.close(Closing.MALFORMED)
            return
        connection.attachments = packet.attachment_count
        if packet.packet_type == wire.BINARY_EVENT:
            self._refuse(connection, namespace, packet.id, answer)

    @staticmethod
    def _refuse(connection: Connection, namespace: str, ack: int | None, error: RefusedError) -> None:
        if ack is not None:
            connection.socket.send(frames.ack(namespace, ack, error.answer()))

    def _may(self, connection: Connection, cost: int) -> bool:
        """Take what a packet costs from the connection's allowance; who goes on without is closed."""
        rate, burst, now = self._limits.socket_event_rate, self._limits.socket_event_burst, time.monotonic()
        if connection.allowance is None:
            connection.allowance = Bucket(burst, now)
        if connection.allowance.take(cost, rate, burst, now) == 0:
            return True
        if connection.patience is None:
            connection.patience = Bucket(burst * PATIENCE, now)
        if connection.patience.take(cost, rate, burst * PATIENCE, now) > 0:
            connection.socket.close(Closing.ABUSE)
        return False

    def close_all(self) -> None:
        """Close every connection: their clients come back."""
        for connection in tuple(self.connections.values()):
            connection.socket.close(Closing.BROKEN)

    async def drain(self) -> None:
        """Take no more, finish what is under way, close one transport after the other, in bounded time."""
        self._reception.closed = True
        leaving = tuple(self.connections.values())
        pause = min(1 / self._timings.drain_rate, self._timings.drain_spread / max(1, len(leaving)))
        try:
            async with asyncio.timeout(self._timings.drain_timeout):
                await asyncio.gather(*(self._let_go(one, pause * place) for place, one in enumerate(leaving)))
                await self.http.emptied()
        except TimeoutError:
            log.warning("connections were cut", count=len(self.http.sockets))
        for socket in tuple(self.http.sockets.values()):
            socket.abort()

    async def _let_go(self, connection: Connection, after_s: float) -> None:
        await asyncio.sleep(after_s)
        connection.draining = True
        await connection.lanes.finish()
        connection.socket.close(Closing.DRAINING)


def _head(text: str) -> HubPacket:
    """A packet without what it carries: type, namespace, id. Raises ValueError if that is not to be seen."""
    starts = [text.find(bracket, 0, HEAD_CHARS) for bracket in "[{"]
    return HubPacket(encoded_packet=text[: min((at for at in starts if at >= 0), default=HEAD_CHARS)])
