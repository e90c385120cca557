"""Owns the HTTP side of Engine.IO 4: handshake, polling, upgrades, and whose pages may ask (CORS).

It replaces the request handling of engineio, which serves JSONP (readable across origins), believes any
X-Forwarded-Host, and answers some wrong requests with 200 or 500.
"""

import asyncio
import secrets
import time
from collections.abc import Collection
from dataclasses import replace
from typing import Final, Protocol

import orjson
from aiohttp import web
from structlog.contextvars import bound_contextvars

from bus.telemetry import HTTP_SECONDS
from gateways.address import origin_allowed
from gateways.failures import BEGUN, answered
from gateways.sockets import frames
from gateways.sockets.engine_config import EngineConfig
from gateways.sockets.engine_socket import BadRequestError, EngineSocket, Listener
from gateways.sockets.reception import Admission
from gateways.tracing import TRACE, continued, route_pattern

# The protocol's own numbers and words.
UNKNOWN_TRANSPORT: Final = (400, 0, "Transport unknown")
UNKNOWN_SID: Final = (400, 1, "Session ID unknown")
BAD_METHOD: Final = (400, 2, "Bad handshake method")
BAD_REQUEST: Final = (400, 3, "Bad request")
FORBIDDEN: Final = (403, 4, "Forbidden")
BAD_VERSION: Final = (400, 5, "Unsupported protocol version")
OVERLOADED: Final = (503, 3, "Overloaded")

Refusal = tuple[int, int, str]


class Door(Listener, Protocol):
    """Who decides about new sessions, and hears what they send."""

    def admit(self, request: web.Request) -> Admission | None:
        """Receive a new session; None if it cannot even be told why not."""
        ...

    def opened(self, socket: EngineSocket, admission: Admission) -> None: ...


class EngineHttp:
    """Answers the requests under the socket path; holds the sessions by their ids."""

    def __init__(
        self, config: EngineConfig, door: Door, *, origins: Collection[str], public_url: str | None
    ) -> None:
        self.sockets: dict[str, EngineSocket] = {}
        self._config = config
        self._door = door
        self._origins = origins
        self._public_url = public_url
        self._forgotten = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        response: web.StreamResponse
        welcome = origin_allowed(request, self._origins, self._public_url)
        if not welcome:
            response = _refused(FORBIDDEN)
        elif request.method == "OPTIONS":
            response = web.Response(status=204)
        else:
            try:
                response = await self._answer(request)
            except Exception as error:  # noqa: BLE001  what is unexpected is logged there
                response = _failed(request, error)
        if not response.prepared:
            if welcome:
                self._allow_origin(request, response)
            if asks_for_websocket(request) and BEGUN not in request:  # it came past the measuring middleware
                seconds = time.perf_counter() - started
                HTTP_SECONDS.labels(request.method, route_pattern(request), response.status).observe(seconds)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        if query.get("transport") not in {"polling", "websocket"}:
            return _refused(UNKNOWN_TRANSPORT)
        is_websocket = asks_for_websocket(request)
        if (query["transport"] == "websocket") != is_websocket or "j" in query:
            return _refused(BAD_REQUEST)
        if is_websocket and request.body_exists:  # nobody would read it, nor what comes behind it
            return _refused(BAD_REQUEST)
        try:
            return await (self._resume(request) if "sid" in query else self._begin(request))
        except BadRequestError:
            return _refused(BAD_REQUEST)

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return _refused(BAD_METHOD)
        if request.query.get("EIO") != "4":
            return _refused(BAD_VERSION)
        admission = self._door.admit(request)
        if admission is None:
            return _refused(OVERLOADED)
        socket = self._new_socket(request, admission)
        if request.query["transport"] == "polling":
            return _text(await socket.poll(request))
        return await socket.serve(request)

    def _new_socket(self, request: web.Request, admission: Admission) -> EngineSocket:
        sid = self._config.prefix + secrets.token_urlsafe(15)
        socket = EngineSocket(sid, self._config, self._door, self.forget)
        timings = self._config.timings
        handshake = {
            "sid": sid,
            "upgrades": ["websocket"] if request.query["transport"] == "polling" else [],
            "pingInterval": round(timings.ping_interval * 1000),
            "pingTimeout": round(timings.ping_timeout * 1000),
            "maxPayload": self._config.max_bytes,
        }
        socket.send(frames.opened(handshake))
        self.sockets[sid] = socket
        self._door.opened(socket, admission)
        return socket

    async def _resume(self, request: web.Request) -> web.StreamResponse:
        socket = self.sockets.get(request.query["sid"])
        if socket is None:
            return _refused(UNKNOWN_SID)
        if request.query["transport"] == "websocket":
            return await self._upgrade(socket, request)
        if request.method == "GET":
            return _text(await socket.poll(request))
        if request.method == "POST":
            await socket.post(request)
            return _text(b"ok")
        return _refused(BAD_REQUEST)

    async def _upgrade(self, socket: EngineSocket, request: web.Request) -> web.StreamResponse:
        try:
            return await socket.upgrade(request)
        finally:
            if socket.closing is not None:
                self.forget(socket.sid)

    def write_through_aiohttp(self) -> None:
        """Leave websockets with aiohttp, for all sessions to come."""
        self._config = replace(self._config, direct=False)

    def forget(self, sid: str) -> None:
        """The id of a session means nothing any more."""
        self.sockets.pop(sid, None)
        self._forgotten.set()

    async def emptied(self) -> None:
        """Wait until no session is left: who polls comes once more, or is given up after a while."""
        while self.sockets:
            self._forgotten.clear()
            await self._forgotten.wait()

    def _allow_origin(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let a welcome page read the answer; without Origin there is nothing to say."""
        origin = request.headers.get("Origin")
        if origin is None:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
        if "*" not in self._origins:
            response.headers["Access-Control-Allow-Credentials"] = "true"  # for cookies of sticky sessions
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"


def asks_for_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").strip().lower() == "websocket"


def _failed(request: web.Request, error: Exception) -> web.Response:
    """The answer to a request that failed; a websocket came past the middleware that begins a trace."""
    if not asks_for_websocket(request):
        return answered(request, error)
    trace, flags = continued(request.headers.get("traceparent"))
    request[TRACE] = f"00-{trace}-{secrets.token_hex(8)}-{flags}"
    with bound_contextvars(trace_id=trace):
        return answered(request, error)


def _text(body: bytes) -> web.Response:
    return web.Response(
        body=body, content_type="text/plain", charset="utf-8", headers={"Cache-Control": "no-store"}
    )


def _refused(refusal: Refusal) -> web.Response:
    status, code, message = refusal
    return web.Response(
        status=status,
        body=orjson.dumps({"code": code, "message": message}),
        content_type="application/json",
        headers={"Connection": "close"} if status == 503 else {},
    )
