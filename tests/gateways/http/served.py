"""A real server on a real database, and callers with tokens: what tests of the HTTP doors are made with."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import orjson
from aiohttp import ClientSession

from bus.base import Bus
from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.relay import RELAYED
from bus.signals import Signals
from bus.tasks import cancel, forever, spawn
from bus.viewers import ViewerCounts
from gateways.auth import Authenticator, SharedSecret, issue
from gateways.config import GatewayConfig, Limits
from gateways.connections import Patience, served
from gateways.gateway import Gateway, Notifying
from gateways.http.application import http_application
from routing.consent import Consents, Links
from routing.inbox import Inbox
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store.events import EventLog
from schemas.store.users import Users

SECRET = "a secret of thirty-two bytes, or more"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Answered:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def paths(self) -> list[str]:
        """The paths a problem names."""
        return [error["path"] for error in self.json["errors"]]


@dataclass(frozen=True)
class Caller:
    """Calls one server, with a token or without."""

    url: str
    session: ClientSession
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, **options: Any) -> Answered:
        headers = {**self.headers, **options.pop("headers", {})}
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        async with self.session.request(method, self.url + path, headers=headers, **options) as answer:
            return Answered(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **options: Any) -> Answered:
        return await self.call("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answered:
        return await self.call("POST", path, **options)

    async def publish(self, events: Any, **options: Any) -> Answered:
        return await self.post("/v1/events", json=events, **options)

    def using(self, token: str | None) -> "Caller":
        return replace(self, token=token)

    def being(self, user: str, *scopes: str) -> "Caller":
        return self.using(token_of(user, *scopes))


def token_of(user: str, *scopes: str, ttl: timedelta = timedelta(hours=1), secret: str = SECRET) -> str:
    return issue(secret, user, scopes or ("user",), ttl, SystemClock())


def liked(content: str = "c1", **members: Any) -> dict[str, Any]:
    """A valid event as someone might publish it."""
    return {"type": "content.liked", "data": {"content_id": content, "author": "ann"}, **members}


async def logged(pool: Pool) -> int:
    """How many events the log holds."""
    return int(await pool.fetchval("SELECT count(*) FROM events"))


@asynccontextmanager
async def gateway_on(database: str, pool: Pool, bus: Bus) -> AsyncIterator[Gateway]:
    """Everything the doors need, with the default limits and the development sign-in."""
    listener = Listener(database, RELAYED)
    listening = spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener")
    clock = SystemClock()
    made = Gateway(
        name="test",
        config=GatewayConfig(limits=Limits(), dev_secret=SECRET),
        clock=clock,
        auth=Authenticator(SharedSecret(SECRET), clock),
        pool=pool,
        outbox=Outbox(pool),
        events=EventLog(pool, listener),
        users=Users(),
        push=PushTail(bus, pool),
        signals=Signals(bus),
        viewers=ViewerCounts(bus, "test"),
        notifying=Notifying(
            inbox=Inbox(pool, Outbox(pool), clock), consents=Consents(clock), links=Links(SECRET)
        ),
    )
    try:
        yield made
    finally:
        await cancel(listening)


def with_limits(gateway: Gateway, **limits: Any) -> Gateway:
    """The gateway with other limits."""
    return replace(gateway, config=replace(gateway.config, limits=Limits(**limits)))


@asynccontextmanager
async def serving(gateway: Gateway, **patience: Any) -> AsyncIterator[Caller]:
    """Run a server on a free port of 127.0.0.1 and call it as nobody."""
    bound = socket.create_server(("127.0.0.1", 0))
    given = Patience(most=int(patience.pop("most", 1000)), grace=30, **patience)
    host, port = bound.getsockname()
    async with served(http_application(gateway), bound, given), ClientSession() as session:
        yield Caller(f"http://{host}:{port}", session)
