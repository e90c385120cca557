"""Owns `/admin`: the protocol of the Socket.IO Admin UI, read-only, about the sockets of this gateway.

python-socketio's own `instrument()` reports what its manager, its handlers and engineio's sockets do, and
here none of them does anything. Nothing is recorded either: while somebody watches, the connections are
looked at now and then, and what differs from the last look is told. With nobody there, it costs nothing.
"""

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, ClassVar, Final

import orjson

from bus.tasks import forever, spawn
from bus.telemetry import SOCKET_CLOSES, SOCKET_OPENS, total
from gateways.sockets import frames
from gateways.sockets.connection import Connection, Session
from gateways.sockets.namespace import Namespace
from schemas.clock import Clock

MOST_SOCKETS: Final = 500
"""How many sockets are listed: the ones whose connections are the youngest. The totals count all."""
MOST_ROOMS: Final = 20
"""How many rooms are listed of one socket: those it has been in for longest."""
# Without the first the page would take the listed sockets for all there are; without the second it would
# list none. It offers nobody to disconnect, move or send to, because that is not in here.
FEATURES: Final = ("AGGREGATED_EVENTS", "ALL_EVENTS")
UNLISTED: Final = f"still connected, but not among the youngest {MOST_SOCKETS}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was told of a socket and may change."""

    transport: str
    rooms: tuple[str, ...]

    @classmethod
    def of(cls, session: Session) -> "Seen":
        transport = "polling" if session.connection.socket.websocket is None else "websocket"
        return cls(transport, tuple(islice(session.rooms, MOST_ROOMS)))


class Traffic:
    """How many connections came and went since it was asked last."""

    def __init__(self) -> None:
        self._told = self._now()

    @staticmethod
    def _now() -> Mapping[str, float]:
        return {"rawConnection": total(SOCKET_OPENS), "rawDisconnection": total(SOCKET_CLOSES)}

    def take(self) -> list[Mapping[str, Any]]:
        before, self._told = self._told, self._now()
        at = int(time.time()) * 1000
        counts = {kind: round(value - before[kind]) for kind, value in self._told.items()}
        return [{"timestamp": at, "type": kind, "count": count} for kind, count in counts.items() if count]


class Admin(Namespace):
    """What the page is told; to whatever it asks for the answer is `not_found`."""

    name: ClassVar = "/admin"
    scope: ClassVar = "admin"

    def __init__(
        self,
        server: str,
        connections: Callable[[], dict[str, Connection]],
        clock: Clock,
        *,
        interval: float,
    ) -> None:
        super().__init__()
        self._server = {"serverId": server, "hostname": socket.gethostname(), "pid": os.getpid()}
        self._connections = connections
        self._clock = clock
        self._interval = interval
        self._started = time.monotonic()
        self._watchers: set[Session] = set()
        self._looking: asyncio.Task[None] | None = None
        self._seen: dict[Session, Seen] = {}
        self._traffic = Traffic()

    def token_in(self, auth: Mapping[Any, Any]) -> object:
        """The page has a form for a user name and a password: the token is the password."""
        return auth.get("token", auth.get("password"))

    def came(self, session: Session) -> None:
        if not self._watchers:
            self._traffic = Traffic()
            self._seen = self._look()
        self._watchers.add(session)
        sockets = [describe(one, seen) for one, seen in self._seen.items()]
        told = [
            _event("config", {"supportedFeatures": FEATURES}),
            _event("all_sockets", sockets),
            _event("server_stats", self._stats([])),
        ]
        session.connection.socket.send(b"".join(told))
        if self._looking is None:
            self._looking = spawn(self._watch(), name="admin")

    def left(self, session: Session) -> None:
        self._watchers.discard(session)
        if self._looking is not None and not self._watchers:
            self._looking.cancel()
            self._looking = None
            self._seen = {}

    async def _watch(self) -> None:
        async def tell() -> None:
            await asyncio.sleep(self._interval)
            joined = b"".join(self._changes()) + _event("server_stats", self._stats(self._traffic.take()))
            for watcher in tuple(self._watchers):
                watcher.connection.socket.send(joined)

        await forever(tell, name="admin", pause_s=0)

    def _look(self) -> dict[Session, Seen]:
        youngest = reversed(self._connections().values())
        sessions = (session for connection in youngest for session in connection.sessions.values())
        return {session: Seen.of(session) for session in islice(sessions, MOST_SOCKETS)}

    def _changes(self) -> Iterator[bytes]:
        """The events that lead from the last look to one now."""
        before, self._seen = self._seen, self._look()
        at = self._clock.now().isoformat()
        for session in before.keys() - self._seen.keys():
            yield _event("socket_disconnected", session.namespace, session.sid, _why(session), at)
        for session, now in reversed(self._seen.items()):
            then = before.get(session)
            if then is None:
                yield _event("socket_connected", describe(session, now), at)
            elif then != now:
                yield from _differences(session, then, now, at)

    def _stats(self, traffic: list[Mapping[str, Any]]) -> Mapping[str, Any]:
        connections = self._connections().values()
        names = Counter(name for connection in connections for name in connection.sessions)
        return {
            **self._server,
            "uptime": time.monotonic() - self._started,
            "clientsCount": len(connections),
            "pollingClientsCount": sum(one.socket.websocket is None for one in connections),
            "aggregatedEvents": traffic,
            "namespaces": [{"name": name, "socketsCount": count} for name, count in sorted(names.items())],
        }


def describe(session: Session, seen: Seen) -> Mapping[str, Any]:
    """A socket as the page shows it: nothing of its headers, its query or its token."""
    opened = session.connection.opened_at
    return {
        "id": session.sid,
        "clientId": session.connection.sid,
        "transport": seen.transport,
        "nsp": session.namespace,
        "data": {"user": session.user},
        "handshake": {
            "address": session.connection.address,
            "headers": {},
            "query": {},
            "issued": round(opened * 1000),
            "time": datetime.fromtimestamp(opened, UTC).isoformat(),
        },
        "rooms": seen.rooms,
    }


def _differences(session: Session, then: Seen, now: Seen, at: str) -> Iterator[bytes]:
    namespace, sid = session.namespace, session.sid
    if then.transport != now.transport:
        yield _event("socket_updated", {"id": sid, "nsp": namespace, "transport": now.transport})
    for room in now.rooms:
        if room not in then.rooms:
            yield _event("room_joined", namespace, room, sid, at)
    for room in then.rooms:
        if room not in now.rooms:
            yield _event("room_left", namespace, room, sid, at)


def _why(session: Session) -> str:
    """Why a socket is no longer listed."""
    connection = session.connection
    if connection.sessions.get(session.namespace) is session:
        return UNLISTED
    closing = connection.socket.closing
    return "the client left the namespace" if closing is None else closing.words


def _event(*arguments: object) -> bytes:
    return frames.event(Admin.name, orjson.dumps(arguments))
