"""Connection state recovery on the gateway that knows the client, and what the platform says meanwhile."""

import pytest
from redis import Redis

from ops.chaos.line import Line
from tests.gateways.sockets.conftest import token_of
from tests.gateways.sockets.house import (
    Door,
    House,
    back,
    gone,
    hears,
    ids,
    sign_in,
)
from tests.jsclient import JsClient
from tests.waiting import until


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
    reads = [one for one in ours if one.lstrip().upper().startswith("SELECT")]
    tails = [one for one in reads if "relay_" in one]
    assert reads == tails, "only the tail looks at the log, after each silent second"
    assert len(tails) <= 10
    assert len(ours) < 20
