"""Owns the echo servers that the protocol test suites of Socket.IO and Engine.IO are run against.

`python -m tests.gateways.sockets.suite_app 3000` serves both on 127.0.0.1: HubServer alone under
/socket.io/, and EngineHttp alone under /engine.io/. The suites wait for pings of 0.3 and 0.2 seconds.

They are in the repository of Socket.IO, docs/socket.io-protocol/v5-test-suite (32 tests) and
docs/engine.io-protocol/v4-test-suite (25 tests), and call http://localhost:3000. In a checkout, in each
of the two folders: `npm ci --ignore-scripts`, then `npx mocha test-suite.js`. All tests must pass.
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from socketio import packet as wire

from gateways.auth import Principal
from gateways.config import GatewayConfig, Limits
from gateways.connections import Patience, served
from gateways.sockets import frames
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Connection, Session
from gateways.sockets.engine_config import EngineConfig
from gateways.sockets.engine_http import EngineHttp
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.protocol import HubPacket, HubServer
from gateways.sockets.reception import Admission, Reception
from gateways.sockets.timings import Timings

LIMITS = Limits(socket_event_rate=1000, socket_event_burst=1000)
TIMINGS = Timings(ping_interval=0.3, ping_timeout=0.2, connect_timeout=1.0)
GAP = 0.02
"""In seconds. The suite overlooks a packet that reaches it together with the one before."""
ANYONE = Principal("anyone", frozenset(), None, None, datetime.max.replace(tzinfo=UTC), "")


def framed(packet: HubPacket) -> bytes:
    """A Socket.IO packet and its attachments."""
    encoded = packet.encode()
    head, attachments = (encoded, []) if isinstance(encoded, str) else (encoded[0], encoded[1:])
    return frames.text(b"4" + head.encode()) + b"".join(map(frames.binary, attachments))


class Everyone:
    """Lets everybody in, and tells them what they gave as `auth`."""

    async def connect(self, connection: Connection, namespace: str, auth: object) -> None:
        if namespace in connection.sessions:
            connection.socket.close(Closing.MALFORMED)
            return
        session = Session(secrets.token_urlsafe(15), namespace, connection, ANYONE)
        if not connection.socket.send(frames.connected(namespace, session.sid)):
            return
        connection.sessions[namespace] = session
        connection.stop_deadline()
        greeting = framed(HubPacket(wire.EVENT, ["auth", auth or {}], namespace))
        asyncio.get_running_loop().call_later(GAP, connection.socket.send, greeting)

    def end(self, session: Session, *, for_good: bool) -> None:
        del session.connection.sessions[session.namespace]


class Echo:
    """Says again what was said in the main namespace, as an event or in the acknowledgement."""

    async def handle(self, session: Session, name: str, arguments: Sequence[Any], ack_id: int | None) -> None:
        if session.namespace != "/":
            return
        if name == "message":
            answer = HubPacket(wire.EVENT, ["message-back", *arguments])
        elif name == "message-with-ack" and ack_id is not None:
            answer = HubPacket(wire.ACK, list(arguments), id=ack_id)
        else:
            return
        session.connection.socket.send(framed(answer))


class EngineEcho:
    """Says again what any Engine.IO client says."""

    def __init__(self) -> None:
        config = EngineConfig(
            timings=TIMINGS,
            max_bytes=LIMITS.body_bytes,
            max_packets=LIMITS.socket_buffer,
            max_unsent=LIMITS.socket_unsent_bytes,
        )
        self.http = EngineHttp(config, self, origins=("*",), public_url=None)

    def admit(self, request: web.Request) -> Admission | None:
        return Admission(request.remote or "", None)

    def opened(self, socket: EngineSocket, admission: Admission) -> None:
        """Nothing is kept of a session."""

    async def message(self, sid: str, text: str) -> None:
        self.http.sockets[sid].send(frames.text(b"4" + text.encode()))

    async def attachment(self, sid: str, data: bytes) -> None:
        self.http.sockets[sid].send(frames.binary(data))

    def malformed(self, sid: str, what: str) -> None:
        self.http.sockets[sid].close(Closing.MALFORMED)

    def closed(self, sid: str, closing: Closing) -> None:
        """Nothing was kept."""


def echo_server() -> HubServer:
    return HubServer(
        GatewayConfig(limits=LIMITS, allowed_origins=("*",)),
        TIMINGS,
        namespaces=("/", "/custom"),
        reception=Reception(LIMITS, ()),
        sessions=Everyone(),
        events=Echo(),
        binary=("/", "/custom"),
        forgiven=0,
    )


def suite_app() -> web.Application:
    app = web.Application()
    echo_server().attach(app)
    app.router.add_route("*", "/engine.io/", EngineEcho().http.handle)
    return app


async def main(port: int) -> None:
    async with served(suite_app(), socket.create_server(("127.0.0.1", port)), Patience(most=1_000)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
