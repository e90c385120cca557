"""Rooms that change while a session is open: the acknowledged are stored, and the platform is obeyed."""

import asyncpg
import orjson
import pytest

from bus.base import Target
from gateways.sockets.connection import Session
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.feed import Feed
from gateways.sockets.namespace import RefusedError
from gateways.sockets.rooms import Rooms
from schemas.db import Pool
from tests.gateways.sockets.conftest import Serve, Served, token_of


async def came(hub: Served, namespace: str = "/feed") -> Session:
    """A session that asked for recovery."""
    raw = await hub.raw()
    auth = orjson.dumps({"token": token_of("ann"), "recovery": True}).decode()
    await raw.send(f"40{namespace},{auth}")
    await raw.next()
    await hub.sockets.records.settled()
    (session,) = (one for one in hub.sockets.membership.of_user("ann") if one.namespace == namespace)
    return session


def rooms_of(hub: Served) -> Rooms:
    feed = hub.namespaces["/feed"]
    assert isinstance(feed, Feed)
    return feed._rooms


def are_in(hub: Served, rooms: list[str]) -> list[EngineSocket]:
    """Who is in any of some rooms of /feed."""
    parts = hub.sockets.membership.members(Target.of("/feed", rooms, b""))
    return [socket for _, sockets in parts for socket in sockets]


async def row(pool: Pool, session: Session) -> dict[str, int]:
    return dict(await pool.fetchval("SELECT rooms FROM socket_sessions WHERE pid = $1", session.pid))


async def test_joining_is_done_once_the_row_says_so(hub: Served, pool: Pool) -> None:
    session = await came(hub)
    hub.deliver("/feed", "feed")
    await rooms_of(hub).join(session, ["feed", "zone:a"])
    assert await row(pool, session) == {"feed": 0, "zone:a": 1} == session.rooms
    assert are_in(hub, ["zone:a"]) == [session.connection.socket]


async def test_what_cannot_be_stored_is_not_joined(hub: Served, pool: Pool) -> None:
    session = await came(hub)
    await pool.execute("ALTER TABLE socket_sessions RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await rooms_of(hub).join(session, ["zone:a", "zone:b"])
    assert session.rooms.keys() == {"feed"}
    assert are_in(hub, ["zone:a", "zone:b"]) == []
    await pool.execute("ALTER TABLE away RENAME TO socket_sessions")
    await rooms_of(hub).join(session, ["zone:c"])
    assert (await row(pool, session)).keys() == {"feed", "zone:c"}


async def test_what_is_left_is_not_heard_even_if_that_cannot_be_stored(hub: Served, pool: Pool) -> None:
    session = await came(hub)
    await rooms_of(hub).join(session, ["zone:a", "zone:b"])
    await rooms_of(hub).leave(session, ["zone:a", "never joined"])
    assert (await row(pool, session)).keys() == {"feed", "zone:b"}
    await pool.execute("ALTER TABLE socket_sessions RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await rooms_of(hub).leave(session, ["zone:b"])
    assert are_in(hub, ["zone:b"]) == []
    await pool.execute("ALTER TABLE away RENAME TO socket_sessions")


async def test_words_of_the_platform_change_the_sessions_of_one_user_in_one_namespace(
    hub: Served, pool: Pool
) -> None:
    feed, live = await came(hub), await came(hub, "/live")
    bob = await hub.signed_in(user="bob")
    hub.obey("join", "ann", "/feed", "zone:a")
    assert are_in(hub, ["zone:a"]) == [feed.connection.socket]
    hub.obey("leave", "ann", "/feed", "feed")
    await hub.sockets.records.settled()
    assert await row(pool, feed) == {"zone:a": 1}
    assert await row(pool, live) == {}
    hub.deliver("/feed", "feed", data=1)
    assert await bob.next() == '42/feed,["test.happened",{"data":1}]'


async def test_a_session_that_has_ended_is_let_in_nowhere(hub: Served) -> None:
    session = await came(hub)
    hub.sockets.server.http.sockets[session.connection.sid].abort()
    await rooms_of(hub).join(session, ["zone:a"])
    assert are_in(hub, ["feed", "zone:a"]) == []


async def test_as_many_rooms_as_may_be_and_not_one_more(serve: Serve) -> None:
    rooms = rooms_of(await serve(socket_rooms=2, socket_room_bytes=6))
    rooms.check(["abc", "dé"], "zones")
    with pytest.raises(RefusedError, match="at most 2 rooms") as refused:
        rooms.check(["a", "b", "c"], "zones")
    assert (refused.value.code, refused.value.path) == ("invalid", "zones")
    with pytest.raises(RefusedError, match=r"at most 6 bytes \(socket_room_bytes\)"):
        rooms.check(["abc", "dée"], "zones")
