"""What is not given back: too old, too much, not theirs, or not allowed any more."""

import pytest

from gateways.sockets.recovery import Claim
from ops.chaos.line import Line
from tests.gateways.sockets.conftest import token_of
from tests.gateways.sockets.house import (
    Door,
    House,
    back,
    gone,
    hears,
    refusal,
    sign_in,
    stored,
)
from tests.jsclient import JsClient, JsSocket
from tests.waiting import until


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
    pid = (await socket.next("connect"))["pid"]
    await gone(socket, line)
    await house.tell(*["ann"] * 40)
    await narrow.at(await house.head())
    await refused_recovery(socket, line, narrow)
    await narrow.sockets.records.settled()
    owner = await house.pool.fetchval("SELECT gateway FROM socket_sessions WHERE pid = $1", pid)
    assert owner == "", "nobody may ask for it again, anywhere"


async def test_what_is_too_much_only_beside_another_namespace_may_be_asked_for_again(
    house: House, line: Line, js: JsClient, east: Door
) -> None:
    narrow = await house.start("narrow", socket_unsent_bytes=5_000)
    line.lead_to(narrow.url)
    tips, posts = await sign_in(js, line), await sign_in(js, line, "/feed")
    pids = {(await socket.next("connect"))["pid"] for socket in (tips, posts)}
    line.lead_to(None)
    line.cut()
    for socket in (tips, posts):
        await socket.next("disconnect")
    await house.tell(*["ann"] * 12)
    await house.post(*["z"] * 12)
    await narrow.at(await house.head())
    line.lead_to(narrow.url)
    assert {(await socket.next("connect"))["recovered"] for socket in (tips, posts)} == {True, False}
    await narrow.sockets.records.settled()
    owners = await house.pool.fetch("SELECT gateway FROM socket_sessions WHERE pid = ANY($1)", list(pids))
    assert [row["gateway"] for row in owners] == ["narrow", "narrow"]


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
