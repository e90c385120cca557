"""Fixtures of the sockets: a real server on loopback, raw websockets to misuse it, and the stock client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession, web

from bus.base import PushEntry, Target
from bus.memory import MemoryBus
from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.signals import Signals
from bus.tasks import cancel, spawn
from bus.viewers import ViewerCounts
from gateways.auth import Authenticator, SharedSecret
from gateways.config import GatewayConfig, Limits
from gateways.gateway import Gateway, Notifying
from gateways.sockets.events import Events
from gateways.sockets.namespace import Namespace
from gateways.sockets.server import HubSockets, attach
from gateways.sockets.timings import Timings
from routing.consent import Consents, Links
from routing.inbox import Inbox
from schemas.db import Pool
from schemas.listen import Listener
from schemas.store.events import EventLog
from schemas.store.users import Users
from tests.gateways.sockets.basics import SECRET, MovableClock, Runner, quick, token_of
from tests.gateways.sockets.house import door, east, house, line, real_bus, west
from tests.gateways.sockets.raw import RawSocket
from tests.jsclient import js, js_library

__all__ = [
    "MovableClock",
    "door",
    "east",
    "house",
    "js",
    "js_library",
    "line",
    "quick",
    "real_bus",
    "token_of",
    "west",
]


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def gateway(database: str, pool: Pool, bus: MemoryBus, clock: MovableClock) -> Gateway:
    return Gateway(
        name="test",
        config=GatewayConfig(limits=Limits()),
        clock=clock,
        auth=Authenticator(SharedSecret(SECRET), clock),
        pool=pool,
        outbox=Outbox(pool),
        events=EventLog(pool, Listener(database, "unheard")),
        users=Users(),
        push=PushTail(bus, pool),
        signals=Signals(bus),
        viewers=ViewerCounts(bus, "test"),
        notifying=Notifying(
            inbox=Inbox(pool, Outbox(pool), clock), consents=Consents(clock), links=Links(SECRET)
        ),
    )


@dataclass
class Served:
    """A gateway that runs."""

    url: str
    sockets: HubSockets
    runner: Runner
    session: ClientSession
    raws: list[RawSocket] = field(default_factory=list)

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """The namespaces whose handlers are called."""
        events = self.sockets.server._events
        assert isinstance(events, Events)
        return events._namespaces

    async def raw(self, **headers: str) -> RawSocket:
        """A websocket after its handshake, without a namespace; it stays open until the end of the test."""
        raw = await RawSocket.open(self.session, self.url, headers)
        self.raws.append(raw)
        return raw

    async def signed_in(self, namespace: str = "/feed", user: str = "ann") -> RawSocket:
        raw = await self.raw()
        await raw.connect(namespace, token_of(user))
        return raw

    def deliver(self, namespace: str, *rooms: str, data: Any = None) -> None:
        """Deliver one event as the bus would."""
        packet = b'["test.happened",{"data":%s}]' % (b"null" if data is None else str(data).encode())
        self._entry(targets=(Target.of(namespace, rooms, packet),))

    def obey(self, *words: str) -> None:
        """Deliver words to obey."""
        self._entry(controls=(words,))

    def _entry(self, **what: Any) -> None:
        seq = self.sockets.recovery.history.head + 1
        self.sockets.deliver([PushEntry(seq, seq - 1, **what)])


Serve = Callable[..., Awaitable[Served]]


@asynccontextmanager
async def serving(gateway: Gateway, timings: Timings) -> AsyncIterator[Served]:
    app = web.Application()
    sockets = attach(app, gateway, timings)
    signals = spawn(gateway.signals.run(sockets.signal), name="signals")
    runner = await Runner.start(app)
    async with ClientSession() as session:
        served = Served(runner.url, sockets, runner, session)
        yield served
        for raw in served.raws:
            await raw.ws.close()
        await runner.cleanup()
    await cancel(signals)


@pytest.fixture
def direct() -> bool:
    """Whether frames go straight into the transport; a module may try both ways."""
    return True


@pytest.fixture
async def serve(gateway: Gateway, direct: bool) -> AsyncIterator[Serve]:
    """Start a gateway: `timings`, other `config`, and limits by name."""
    async with AsyncExitStack() as stack:

        async def start(timings: Timings | None = None, config: Any = None, **limits: Any) -> Served:
            changed = replace(gateway.config, limits=Limits(**limits), **(config or {}))
            served = await stack.enter_async_context(
                serving(replace(gateway, config=changed), timings or quick())
            )
            if not direct:
                served.sockets.server.http.write_through_aiohttp()
            return served

        yield start


@pytest.fixture
async def hub(serve: Serve) -> Served:
    """A gateway with the limits it ships with."""
    return await serve()
