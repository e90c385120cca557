"""Connection state recovery: two gateways on one database and one bus, and the stock client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from aiohttp import web
from redis import Redis

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
from gateways.sockets.recovery import Claim
from gateways.sockets.server import HubSockets, attach
from gateways.sockets.timings import Timings
from schemas.db import Pool, create_pool
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import HoursTipped
from schemas.store.users import Users
from tests.gateways.sockets.conftest import quick, token_of
from tests.gateways.sockets.line import Line
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
    runner: web.AppRunner
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
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    door = Door(gateway.name, f"http://{host}:{port}", sockets, runner, gateway.push, gateway.pool, following)
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


# On the gateway that knows the client


async def test_what_was_missed_comes_in_order_and_once_time_and_again(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    assert not first["recovered"]
    assert first["pid"]
    wanted = await house.tell("ann", "zoe", "ann")
    del wanted[1]
    await hears(socket, wanted)
    for round_ in range(4):
        await gone(socket, line)
        wanted += await house.tell("ann", "ann", "ann")
        again = await back(socket, line, east)
        assert (again["recovered"], again["sid"], again["pid"]) == (True, first["sid"], first["pid"])
        if round_ % 2:  # and sometimes nothing happens before it is gone again
            wanted += await house.tell("ann")
        await hears(socket, wanted)


async def test_every_namespace_of_a_connection_comes_back_to_its_own(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    spaces = {name: await sign_in(js, line, name) for name in ("/feed", "/notifications", "/live")}
    for socket in spaces.values():
        await socket.next("connect")
    line.lead_to(None)
    line.cut()
    for socket in spaces.values():
        await socket.next("disconnect")
    tips = await house.tell("ann")
    posts = await house.post("z", "y")
    line.lead_to(east.url)
    for socket in spaces.values():
        assert (await socket.next("connect"))["recovered"]
    await hears(spaces["/feed"], posts)
    await hears(spaces["/notifications"], tips)
    assert ids(spaces["/live"]) == []


async def test_a_client_that_never_got_an_event_is_owed_all_since_it_came(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    await house.tell("ann")
    await east.at(await house.head())
    socket = await sign_in(js, line)
    assert (await socket.next("connect"))["offset"] is None
    await gone(socket, line)
    wanted = await house.tell("ann")
    assert (await back(socket, line, east))["recovered"]
    await hears(socket, wanted)


async def test_a_new_session_owes_nothing_from_before_it_whatever_old_offset_is_shown(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    wanted = await house.tell("ann")
    await hears(socket, wanted)
    await socket.claim("unknown", "1")
    await gone(socket, line)
    await house.tell("ann", "ann")
    await east.at(await house.head())
    fresh = await back(socket, line, east)
    assert not fresh["recovered"]
    assert fresh["offset"] == "1"
    await gone(socket, line)
    wanted += await house.tell("ann")
    assert (await back(socket, line, east))["recovered"]
    await hears(socket, wanted)


async def test_rooms_come_back_too_and_are_heard_afterwards(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/live")
    await socket.next("connect")
    await socket.emit("join", {"stream_id": "s1"})
    await gone(socket, line)
    assert (await back(socket, line, east))["recovered"]
    session = next(iter(east.sockets.membership.of_user("ann")))
    assert session.rooms.keys() == {"live:s1"}

    async def counted() -> bool:
        return bool((await socket.emit("leave", {"stream_id": "s1"}))["viewers"] == 0)

    await until(counted)


async def test_subscriptions_are_heard_during_and_after(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/feed")
    await socket.next("connect")
    rooms = {"feed", "zone:z"}
    assert set((await socket.emit("subscribe", {"zones": ["z"]}))["rooms"]) == rooms
    wanted: list[str] = []
    for door in (east, west, east):
        await gone(socket, line)
        wanted += await house.post("z", "z")
        assert (await back(socket, line, door))["recovered"]
        wanted += await house.post("z")
        await hears(socket, wanted)
        assert set((await socket.emit("subscribe", {}))["rooms"]) == rooms


async def test_a_transport_that_the_client_closes_is_enough(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await hears(socket, wanted := await house.tell("ann"))
    await socket.cut()
    await socket.next("disconnect")
    wanted += await house.tell("ann")
    assert (await socket.next("connect"))["recovered"]
    await hears(socket, wanted)


@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"], ["websocket"]], ids="+".join)
async def test_it_does_not_matter_how_one_comes(
    house: House, west: Door, line: Line, js: JsClient, transports: list[str]
) -> None:
    socket = await sign_in(js, line, transports=transports)
    await socket.next("connect")
    await hears(socket, wanted := await house.tell("ann"))
    for door in (west, west):
        await gone(socket, line)
        wanted += await house.tell(*["ann"] * 40)
        assert (await back(socket, line, door))["recovered"]
        await hears(socket, wanted)


async def test_who_does_not_ask_for_it_gets_no_extra_argument(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    plain = await js.connect(line.url, "/notifications", token_of("ann"), wait=False)
    first = await plain.next("connect")
    assert (first["pid"], first["recovered"]) == (None, False)
    await house.tell("ann")
    assert len((await plain.next("event"))["args"]) == 1
    await gone(plain, line)
    await house.tell("ann")
    again = await back(plain, line, east)
    assert (again["pid"], again["recovered"]) == (None, False)
    assert again["sid"] != first["sid"]


async def test_the_offset_is_the_number_of_the_entry(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await house.tell("ann")
    assert (await socket.next("event"))["args"][1] == str(await house.head())


# On another gateway


async def test_another_gateway_gives_back_what_a_living_one_has(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    wanted = await house.tell("ann")
    await hears(socket, wanted)
    for door in (west, east, east, west):
        await gone(socket, line)
        wanted += await house.tell("ann", "ann")
        again = await back(socket, line, door)
        assert (again["recovered"], again["sid"]) == (True, first["sid"])
        await hears(socket, wanted)
        await stored(house, door, first["pid"])


async def test_a_gateway_that_was_killed_is_not_missed(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/feed")
    first = await socket.next("connect")
    await socket.emit("subscribe", {"zones": ["z"]})

    async def seen() -> bool:
        return bool(await house.pool.fetchval("SELECT count(*) FROM gateways WHERE id = 'east'"))

    await until(seen)
    line.lead_to(None)
    await east.die()
    await socket.next("disconnect")
    row = await house.pool.fetchrow(
        "SELECT gateway, left_at FROM socket_sessions WHERE pid = $1", first["pid"]
    )
    assert dict(row or {}) == {"gateway": "east", "left_at": None}
    wanted = await house.post("z", None)
    assert (await back(socket, line, west))["recovered"]
    await hears(socket, wanted)


async def test_a_gateway_that_stops_sends_its_clients_on(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    line.lead_to(west.url)
    await east.stop()
    await socket.next("disconnect")
    wanted = await house.tell("ann")
    assert (await socket.next("connect"))["recovered"]
    await hears(socket, wanted)


async def test_a_gateway_that_began_later_knows_what_was_before(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await hears(socket, wanted := await house.tell("ann"))
    await gone(socket, line)
    wanted += await house.tell("ann", "ann")
    assert (await back(socket, line, await house.start("later")))["recovered"]
    await hears(socket, wanted)


async def test_a_flushed_server_costs_nothing(
    house: House, west: Door, line: Line, js: JsClient, redis_url: str
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await hears(socket, wanted := await house.tell("ann"))
    for door in (west, west):
        await gone(socket, line)
        wanted += await house.tell("ann")
        with Redis.from_url(redis_url) as client:
            client.flushall()
        wanted += await house.tell("ann")
        assert (await back(socket, line, door))["recovered"]
        await hears(socket, wanted)


async def test_a_gateway_that_is_behind_catches_up_before_it_gives_back(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await cancel(west.following)
    wanted = await house.tell("ann", "ann")
    await hears(socket, wanted)
    await gone(socket, line)
    line.lead_to(west.url)

    async def waits() -> bool:
        return bool(west.sockets.recovery._waiters)

    await until(waits)
    west.following = spawn(west.push.run(west.sockets.deliver, west.sockets.begin), name="push")
    assert (await socket.next("connect"))["recovered"]
    wanted += await house.tell("ann")
    await hears(socket, wanted)


async def test_the_memory_of_an_older_gateway_does_not_count(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    """It was at another one meanwhile, and changed its rooms there."""
    socket = await sign_in(js, line, "/live")
    await socket.next("connect")
    await socket.emit("join", {"stream_id": "old"})
    await gone(socket, line)
    await back(socket, line, west)
    await socket.emit("leave", {"stream_id": "old"})
    await socket.emit("join", {"stream_id": "new"})
    await gone(socket, line)
    assert (await back(socket, line, east))["recovered"]
    (session,) = east.sockets.membership.of_user("ann")
    assert session.rooms.keys() == {"live:new"}


async def test_a_gateway_that_has_not_noticed_takes_nothing_back(
    house: House, east: Door, west: Door, line: Line, js: JsClient
) -> None:
    """Its transport is dead, and the client elsewhere: what it says of the session is not heard."""
    raw = await js.connect(east.url, "/feed", token_of("ann"), recovery=True, wait=False, manager="dead")
    first = await raw.next("connect")
    await stored(house, east, first["pid"])
    line.lead_to(west.url)
    socket = await js.connect(
        line.url, "/feed", token_of("ann"), recovery=True, wait=False, autoConnect=False, manager="living"
    )
    await socket.next("connect")
    await gone(socket, line)
    await socket.claim(first["pid"], None)
    assert (await back(socket, line, west))["recovered"]
    await socket.emit("subscribe", {"zones": ["z"]})
    await house.say("join", "ann", "/feed", "zone:y")  # the old gateway obeys, and would store its rooms
    assert (await raw.next("disconnect"))["reason"] == "transport close"
    row = await house.pool.fetchrow("SELECT gateway, rooms FROM socket_sessions WHERE pid = $1", first["pid"])
    assert row is not None
    assert row["gateway"] == "west"
    assert "zone:z" in row["rooms"]


# Not given back


async def refused_recovery(socket: JsSocket, line: Line, door: Door) -> None:
    assert not (await back(socket, line, door))["recovered"]


async def test_after_the_window_it_is_a_fresh_connection(
    house: House, line: Line, js: JsClient, east: Door
) -> None:
    short = await house.start("short", window=0.5)
    line.lead_to(short.url)
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    await stored(house, short, first["pid"])
    await gone(socket, line)

    async def over() -> bool:
        return bool(
            await house.pool.fetchval(
                "SELECT count(*) = 0 FROM socket_sessions"
                " WHERE coalesce(left_at, now()) > now() - interval '0.6 s'"
            )
        )

    await until(over)
    await refused_recovery(socket, line, short)


async def test_nobody_comes_back_as_somebody_else(
    house: House, east: Door, door: Door, line: Line, js: JsClient
) -> None:
    bob = await js.connect(
        east.url, "/notifications", token_of("bob"), recovery=True, wait=False, manager="b"
    )
    pid = (await bob.next("connect"))["pid"]
    await stored(house, east, pid)
    socket = await sign_in(js, line)
    await socket.next("connect")
    await socket.claim(pid, None)
    await gone(socket, line)
    await house.tell("bob")
    await refused_recovery(socket, line, door)
    assert socket.events == []
    (session,) = east.sockets.membership.of_user("bob")
    assert session.pid == pid


@pytest.mark.parametrize(
    "offset", ["999999999999999999", "-1", "0x1", "", "1" * 400, "١", "1.5"], ids=lambda one: one[:6]
)
async def test_an_invented_offset_is_not_believed(
    house: House, east: Door, line: Line, js: JsClient, offset: str
) -> None:
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    await socket.claim(first["pid"], offset)
    await gone(socket, line)
    await refused_recovery(socket, line, east)
    await hears(socket, await house.tell("ann"))


def test_only_what_could_be_ours_is_a_claim() -> None:
    assert Claim.of({"pid": "a-Z_9"}) == Claim("a-Z_9", None)
    assert Claim.of({"pid": "a", "offset": "007"}) == Claim("a", 7)
    for pid in ("", "a\0", "a" * 65, "ä", "a\n", 5, None, ["a"]):
        assert Claim.of({"pid": pid}) is None
    offsets: list[object] = [5, "", "1\n", " 1", "+1", [], {}]
    assert [Claim.of({"pid": "a", "offset": offset}) for offset in offsets] == [None] * len(offsets)
    auths: list[object] = [None, [], "pid", {}]
    assert [Claim.of(auth) for auth in auths] == [None] * len(auths)


async def test_what_was_dropped_for_its_size_is_not_half_given_back(
    house: House, line: Line, js: JsClient, east: Door
) -> None:
    small = await house.start("small", recovery_bytes=10_000)
    line.lead_to(small.url)
    socket, quiet = await sign_in(js, line), await sign_in(js, line, "/live")
    await socket.next("connect")
    await quiet.next("connect")
    await gone(socket, line)
    await house.tell(*["ann"] * 40)
    await small.at(await house.head())
    await refused_recovery(socket, line, small)
    assert (await quiet.next("connect"))["recovered"], "nothing was dropped that it is owed"
    assert socket.events == []


async def test_more_than_a_client_may_be_sent_at_once_is_not_given_back(
    house: House, line: Line, js: JsClient, east: Door
) -> None:
    narrow = await house.start("narrow", socket_unsent_bytes=5_000)
    line.lead_to(narrow.url)
    socket = await sign_in(js, line)
    await socket.next("connect")
    await gone(socket, line)
    await house.tell(*["ann"] * 40)
    await narrow.at(await house.head())
    await refused_recovery(socket, line, narrow)


async def test_who_left_by_themselves_comes_back_afresh(
    house: House, east: Door, door: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    await stored(house, east, first["pid"])
    await socket.disconnect()
    await socket.next("disconnect")

    async def ended() -> bool:
        return not east.sockets.membership.of_user("ann")

    await until(ended)
    await east.sockets.records.settled()
    line.lead_to(door.url)
    await socket.again()
    again = await socket.next("connect")
    assert not again["recovered"]
    assert again["sid"] != first["sid"]


async def test_a_suspended_user_is_not_let_back_in(
    house: House, east: Door, door: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await gone(socket, line)
    await house.suspend("ann")
    await house.tell("ann")
    await door.at(await house.head())
    line.lead_to(door.url)
    assert await refusal(socket) == "forbidden"
    assert socket.events == []


async def test_an_expired_token_does_not_bring_one_back(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line)
    await socket.next("connect")
    await gone(socket, line)
    wanted = await house.tell("ann")
    await socket.set_token(token_of("ann", ttl=-3600), recovery=True)
    line.lead_to(east.url)
    assert await refusal(socket) == "unauthorized"
    await socket.set_token(token_of("ann"), recovery=True)
    await socket.again()
    assert (await socket.next("connect"))["recovered"]
    await hears(socket, wanted)


# What the platform says meanwhile


async def test_a_room_joined_while_away_is_complete_from_then_on(
    house: House, east: Door, door: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/messages")
    await socket.next("connect")
    await gone(socket, line)
    await house.say("join", "zoe", "/messages", "live:z")
    await house.say("join", "ann", "/messages", "conversation:1")
    await door.at(await house.head())
    assert (await back(socket, line, door))["recovered"]
    (session,) = door.sockets.membership.of_user("ann")
    assert session.rooms.get("conversation:1") == await house.head()
    assert "live:z" not in session.rooms
    # It was said once, and still counts after the next return.
    await gone(socket, line)
    assert (await back(socket, line, east))["recovered"]
    (session,) = east.sockets.membership.of_user("ann")
    assert "conversation:1" in session.rooms


async def test_of_a_room_that_was_taken_away_nothing_comes_any_more(
    house: House, east: Door, door: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/feed")
    await socket.next("connect")
    await socket.emit("subscribe", {"zones": ["z"]})
    await house.say("leave", "ann", "/feed", "feed")
    await house.say("join", "ann", "/feed", "zone:mine")
    await east.at(await house.head())
    await gone(socket, line)
    await house.say("leave", "ann", "/feed", "zone:z")
    await house.say("leave", "ann", "/live", "zone:mine")
    await house.post("z")
    await door.at(await house.head())
    assert (await back(socket, line, door))["recovered"]
    (session,) = door.sockets.membership.of_user("ann")
    assert "zone:z" not in session.rooms
    assert "zone:mine" in session.rooms


async def test_being_told_twice_to_join_takes_nothing_away(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    socket = await sign_in(js, line, "/feed")
    await socket.next("connect")
    await gone(socket, line)
    wanted = await house.post(None, None)
    await house.say("join", "ann", "/feed", "feed")
    wanted += await house.post(None)
    await east.at(await house.head())
    assert (await back(socket, line, east))["recovered"]
    await hears(socket, wanted)


# What it costs


async def test_many_who_come_back_at_once_cost_a_few_statements(
    house: House, east: Door, line: Line, js: JsClient, redis_url: str
) -> None:
    """They are known here: nothing is read, and what is written is written for all of them together."""
    sockets = [
        await js.connect(
            line.url, "/notifications", token_of(f"u{n}"), recovery=True, wait=False, manager=f"m{n}"
        )
        for n in range(50)
    ]
    for socket in sockets:
        await socket.next("connect")
    line.lead_to(None)
    line.cut()
    for socket in sockets:
        await socket.next("disconnect")
    wanted = await house.tell(*[f"u{n}" for n in range(50)])
    await east.at(await house.head())
    await east.sockets.records.settled()
    statements: list[str] = []
    connections = [await east.pool.acquire() for _ in range(4)]
    for connection in connections:
        connection.add_query_logger(lambda record: statements.append(record.query))
    for connection in connections:
        await east.pool.release(connection)
    with Redis.from_url(redis_url) as client:
        before = client.info("commandstats").get("cmdstat_xread", {}).get("calls", 0)
        line.lead_to(east.url)
        for socket in sockets:
            assert (await socket.next("connect"))["recovered"]
        after = client.info("commandstats").get("cmdstat_xread", {}).get("calls", 0)
    for socket, one in zip(sockets, wanted, strict=True):
        await hears(socket, [one])
    assert after - before <= 10, "only the tail reads on"
    ours = [one for one in statements if "pg_type" not in one and "jit" not in one]  # not the driver's own
    assert [one for one in ours if one.lstrip().upper().startswith("SELECT")] == []
    assert len(ours) < 20
