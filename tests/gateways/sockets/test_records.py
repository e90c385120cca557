"""The rows of sessions, and what may never get into them: late words, failed words, another log."""

import orjson

from gateways.sockets.connection import Session
from schemas.db import Pool
from tests.gateways.sockets.conftest import Served, token_of
from tests.gateways.sockets.raw import RawSocket
from tests.waiting import until


async def connect(hub: Served, namespace: str = "/feed", **claim: str) -> tuple[RawSocket, dict[str, str]]:
    raw = await hub.raw()
    auth = {"token": token_of("ann"), "recovery": True, **claim}
    await raw.send(f"40{namespace},{orjson.dumps(auth).decode()}")
    return raw, orjson.loads((await raw.next()).removeprefix(f"40{namespace},"))


async def cut(hub: Served, raw: RawSocket) -> None:
    await raw.ws.close()

    async def ended() -> bool:
        return not hub.sockets.membership.of_user("ann")

    await until(ended)


def session_of(hub: Served) -> Session:
    (session,) = hub.sockets.membership.of_user("ann")
    return session


async def row_of(pool: Pool, pid: str) -> tuple[dict[str, int], bool] | None:
    row = await pool.fetchrow("SELECT rooms, left_at FROM socket_sessions WHERE pid = $1", pid)
    return (row["rooms"], row["left_at"] is None) if row else None


async def seen_upto(hub: Served, pool: Pool) -> int | None:
    await hub.sockets.records._beat()
    found: int | None = await pool.fetchval("SELECT max(seq) FROM gateways")
    return found


async def test_a_room_change_that_ends_after_its_session_changes_nothing(hub: Served, pool: Pool) -> None:
    raw, answer = await connect(hub)
    session = session_of(hub)
    await cut(hub, raw)
    await hub.sockets.records.settled()
    before = await row_of(pool, answer["pid"])
    assert before == ({"feed": 0}, False)
    hub.sockets.records.note(session)
    await hub.sockets.records.changed(session)
    await hub.sockets.records.settled()
    assert await row_of(pool, answer["pid"]) == before


async def test_what_could_not_be_stored_is_stored_later_and_not_claimed_before(
    hub: Served, pool: Pool
) -> None:
    raw, answer = await connect(hub)
    await hub.sockets.records.settled()
    hub.deliver("/feed", "feed")
    assert await seen_upto(hub, pool) == 1
    await pool.execute("ALTER TABLE socket_sessions RENAME TO away")
    hub.obey("leave", "ann", "/feed", "feed")
    await raw.next()  # the event from before
    refused = await raw.ask("/feed", "subscribe", {"zones": ["z"]})
    assert refused["error"]["code"] == "internal"
    assert await seen_upto(hub, pool) == 1, "others would take the stored rooms for those of now"
    await pool.execute("ALTER TABLE away RENAME TO socket_sessions")
    assert await seen_upto(hub, pool) == 2
    assert await row_of(pool, answer["pid"]) == ({}, True)
    assert session_of(hub).rooms == {}


async def test_after_the_log_was_put_back_nobody_known_comes_back(hub: Served) -> None:
    raw, answer = await connect(hub)
    gone, other = await connect(hub, "/notifications")
    await gone.ws.close()
    hub.deliver("/feed", "feed")
    hub.sockets.begin(0)
    assert await raw.closed() == 4009
    for namespace, claimed in (("/feed", answer), ("/notifications", other)):
        _, again = await connect(hub, namespace, pid=claimed["pid"])
        assert again["pid"] != claimed["pid"]


async def test_who_comes_back_before_the_end_was_noticed_replaces_itself(hub: Served) -> None:
    raw, answer = await connect(hub)
    hub.deliver("/feed", "feed")
    second, again = await connect(hub, pid=answer["pid"])
    assert again == answer
    assert (await second.next()).endswith(',"1"]')
    assert await raw.closed() == 4007
    assert session_of(hub).connection.socket.closing is None


async def test_a_client_that_left_and_closed_in_one_breath_has_left(hub: Served) -> None:
    raw, answer = await connect(hub)
    await raw.send("41/feed,")
    await cut(hub, raw)
    _, again = await connect(hub, pid=answer["pid"])
    assert again["pid"] != answer["pid"]
