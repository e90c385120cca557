"""Connection state recovery on another gateway, with the stock client."""

from redis import Redis

from bus.tasks import cancel, spawn
from ops.chaos.line import Line
from tests.gateways.sockets.conftest import token_of
from tests.gateways.sockets.house import (
    Door,
    House,
    back,
    gone,
    hears,
    left,
    sign_in,
    stored,
)
from tests.jsclient import JsClient
from tests.waiting import until


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


async def test_in_a_quiet_room_one_may_move_on_and_on(
    house: House, east: Door, line: Line, js: JsClient
) -> None:
    """Each gateway began after the last event: what was proved by the one before is all it can go by."""
    socket = await sign_in(js, line)
    first = await socket.next("connect")
    await hears(socket, wanted := await house.tell("ann"))
    for name in ("north", "south", "west"):
        door = await house.start(name)
        await house.tell("zoe")
        await door.at(await house.head())
        door.sockets.recovery.begin(await house.head())
        await house.tell("zoe")
        for one in (east, door):
            await one.at(await house.head())
        await gone(socket, line)
        await left(house, first["pid"])
        assert (await back(socket, line, door))["recovered"], name
        await stored(house, door, first["pid"])
        east = door
    await hears(socket, wanted + await house.tell("ann"))
