"""Two gateways on one database and one bus, and what tests of recovery do with them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from aiohttp import web

from bus.appender import Appender
from bus.base import Bus
from bus.outbox import Outbox
from bus.partitions import agree
from bus.push_log import PushTail
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.signals import Signals
from bus.tasks import cancel, spawn
from bus.viewers import ViewerCounts
from gateways.config import Limits
from gateways.gateway import Gateway
from gateways.sockets.server import HubSockets, attach
from gateways.sockets.timings import Timings
from ops.chaos.line import Line
from schemas.db import Pool, create_pool
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import HoursTipped
from schemas.store.users import Users
from tests.gateways.sockets.basics import Runner, quick, token_of
from tests.jsclient import Happening, JsClient, JsSocket
from tests.waiting import until

PARTITIONS = 2
WINDOW_S = 60.0
NUMBERS = count(1)


@dataclass
class Door:
    """A gateway that runs."""

    name: str
    url: str
    sockets: HubSockets
    runner: Runner
    push: PushTail
    pool: Pool
    following: asyncio.Task[Any]
    stopped: bool = False

    async def at(self, seq: int) -> None:
        async def reached() -> bool:
            return self.sockets.recovery.history.head >= seq

        await until(reached)

    async def stop(self) -> None:
        self.stopped = True
        await self.runner.cleanup()
        await cancel(self.following)
        await self.pool.close()

    async def die(self) -> None:
        """End without a word, as far as others can see."""
        self.stopped = True
        self.pool.terminate()
        await self.runner.cleanup()
        await cancel(self.following)


@dataclass
class House:
    """What all gateways share."""

    pool: Pool
    start: Callable[..., Awaitable[Door]]

    async def tell(self, *users: str) -> list[str]:
        """Tip users; answers the ids of the events."""
        return await self._publish([HoursTipped(to=user, amount=1, actor="bob") for user in users])

    async def post(self, *zones: str | None) -> list[str]:
        """Post into zones, and so into the feed; answers the ids of the events."""
        return await self._publish(
            [
                ContentCreated(
                    content_id=f"c{next(NUMBERS)}",
                    author="bob",
                    kind="post",
                    title="Hi",
                    zone=zone,
                    actor="bob",
                )
                for zone in zones
            ]
        )

    async def _publish(self, events: list[Event]) -> list[str]:
        outbox = Outbox(self.pool)
        async with self.pool.acquire() as tx, tx.transaction():
            await outbox.add(tx, *events)
        outbox.wake()
        return [str(event.id) for event in events]

    async def say(self, *words: str) -> None:
        outbox = Outbox(self.pool)
        async with self.pool.acquire() as tx, tx.transaction():
            await outbox.control(tx, *words)
        outbox.wake()

    async def suspend(self, user: str) -> None:
        await Users().suspend(self.pool, user)
        await self.say("suspend", user)

    async def head(self) -> int:
        """The number of the last entry, once nothing waits to be numbered."""

        async def empty() -> bool:
            return not await self.pool.fetchval("SELECT count(*) FROM outbox")

        await until(empty)
        return int(await self.pool.fetchval("SELECT seq FROM relay_heads WHERE stream = 'push'"))


@pytest.fixture
async def real_bus(redis_url: str) -> AsyncIterator[Bus]:
    made = RedisBus(redis_url, prefix="test")
    yield made
    await made.close()


@pytest.fixture
async def house(database: str, pool: Pool, gateway: Gateway, real_bus: Bus) -> AsyncIterator[House]:
    async with pool.acquire() as tx, tx.transaction():
        await agree(tx, PARTITIONS)
    appender = Appender(real_bus, pool, partitions=PARTITIONS, groups=[], window_s=120)
    relay = spawn(Relay(database, appender, RelayConfig(partitions=PARTITIONS)).run(), name="relay")
    async with AsyncExitStack() as stack:

        async def start(
            name: str, *, window: float = WINDOW_S, timings: Timings | None = None, **limits: Any
        ) -> Door:
            config = replace(gateway.config, recovery_window=window, limits=Limits(**limits))
            own = replace(
                gateway,
                name=name,
                config=config,
                pool=await create_pool(database, max_size=4),
                push=PushTail(real_bus, pool, window_s=window),
                signals=Signals(real_bus),
                viewers=ViewerCounts(real_bus, name),
            )
            return await stack.enter_async_context(opened(own, timings or quick()))

        yield House(pool, start)
    await cancel(relay)


@asynccontextmanager
async def opened(gateway: Gateway, timings: Timings) -> AsyncIterator[Door]:
    app = web.Application()
    sockets = attach(app, gateway, timings)
    following = spawn(gateway.push.run(sockets.deliver, sockets.begin), name="push")
    await gateway.push.caught_up.wait()
    runner = await Runner.start(app)
    door = Door(gateway.name, runner.url, sockets, runner, gateway.push, gateway.pool, following)
    yield door
    if not door.stopped:
        await door.stop()


@pytest.fixture
async def east(house: House) -> Door:
    return await house.start("east")


@pytest.fixture
async def west(house: House) -> Door:
    return await house.start("west")


@pytest.fixture(params=["here", "there"])
def door(request: pytest.FixtureRequest, east: Door, west: Door) -> Door:
    """Where a client of the east comes back to."""
    return east if request.param == "here" else west


@pytest.fixture
async def line(east: Door) -> AsyncIterator[Line]:
    made = await Line().start(east.url)
    yield made
    await made.stop()


async def sign_in(js: JsClient, line: Line, namespace: str = "/notifications", **options: Any) -> JsSocket:
    return await js.connect(line.url, namespace, token_of("ann"), recovery=True, wait=False, **options)


def ids(socket: JsSocket) -> list[str]:
    return [args[0]["id"] for _, args in socket.events]


async def hears(socket: JsSocket, wanted: list[str]) -> None:
    """Wait for the last of some events; all of them came, in order, and nothing else."""
    await socket.client.wait(lambda one: socket._is(one, "event") and one["args"][0]["id"] == wanted[-1])
    assert ids(socket) == wanted


async def gone(socket: JsSocket, line: Line) -> None:
    """Cut the line, and keep it down."""
    line.lead_to(None)
    line.cut()
    await socket.next("disconnect")


async def back(socket: JsSocket, line: Line, door: Door) -> Happening:
    line.lead_to(door.url)
    return await socket.next("connect")


async def refusal(socket: JsSocket) -> str:
    """The code with which a namespace is refused; that nobody answers on the line is none."""
    while "data" not in (error := await socket.next("connect_error")):
        pass
    return str(error["data"]["code"])


async def stored(house: House, door: Door, socket_pid: str) -> None:
    """Wait until the row of a session belongs to a gateway."""

    async def true() -> bool:
        found = await house.pool.fetchval("SELECT gateway FROM socket_sessions WHERE pid = $1", socket_pid)
        return bool(found == door.name)

    await until(true)


async def left(house: House, socket_pid: str) -> None:
    """Wait until the row of a session says that its client is gone."""

    async def true() -> bool:
        return bool(
            await house.pool.fetchval(
                "SELECT left_at IS NOT NULL FROM socket_sessions WHERE pid = $1", socket_pid
            )
        )

    await until(true)
