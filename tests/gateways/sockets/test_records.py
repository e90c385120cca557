"""The rows of sessions, and what may never get into them: late words, failed words, another log."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest

from bus.telemetry import RECOVERIES
from gateways.config import Limits
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Session
from gateways.sockets.records import Left
from schemas.db import Pool
from schemas.store.socket_sessions import SocketSession
from tests.gateways.sockets.conftest import Serve, Served, token_of
from tests.gateways.sockets.raw import RawSocket
from tests.gateways.sockets.test_slow_readers import stop_reading
from tests.waiting import until

Poll = Callable[..., Awaitable[list[str]]]


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


async def test_that_a_session_cannot_be_looked_up_is_not_counted_as_unknown(hub: Served, pool: Pool) -> None:
    raw, answer = await connect(hub)
    await cut(hub, raw)
    await hub.sockets.records.settled()
    await pool.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'it is going down' USING ERRCODE = 'admin_shutdown'; END $$;"
        "CREATE TRIGGER refuse BEFORE UPDATE ON socket_sessions EXECUTE FUNCTION refuse()"
    )
    counted = [RECOVERIES.labels(outcome) for outcome in ("unavailable", "unknown")]
    before = [one._value.get() for one in counted]
    _, again = await connect(hub, pid=answer["pid"])
    assert again["pid"] != answer["pid"]
    assert [one._value.get() for one in counted] == [before[0] + 1, before[1]]


async def test_who_missed_too_much_begins_afresh_and_cannot_ask_again(serve: Serve) -> None:
    """Also where its old transport is dead, and nobody has noticed."""
    hub = await serve(socket_unsent_bytes=1_000)
    raw, answer = await connect(hub)
    for _ in range(20):
        hub.deliver("/feed", "feed", data='"' + "x" * 100 + '"')
    before = RECOVERIES.labels("too_much")._value.get()
    for _ in range(3):
        _, again = await connect(hub, "/feed", pid=answer["pid"])
        assert again["pid"] != answer["pid"]
    assert RECOVERIES.labels("too_much")._value.get() == before + 1
    assert await raw.closed() == 4007


def left(pid: str, *rooms: str) -> SocketSession:
    return SocketSession(
        pid=pid, sid="s", namespace="/feed", user="ann", rooms=dict.fromkeys(rooms, 1), as_of=1, heard=1
    )


async def test_of_those_who_left_as_many_are_kept_as_there_is_memory_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateways.sockets.records.LEFT_BYTES", 30_000)
    kept = Left(60)
    for n in range(10):
        kept.put(left(f"p{n}", *(f"zone:{number}-{'z' * 190}" for number in range(20))))
    assert list(kept.pids()) == ["p7", "p8", "p9"], "each takes some 8,000 bytes"
    kept.put(left("small"))
    kept.put(left("p7", "feed"))
    kept.pop("p9")
    kept.put(left("p10", *(f"zone:{number}-{'z' * 190}" for number in range(40))))
    assert list(kept.pids()) == ["p8", "small", "p7", "p10"]


@asynccontextmanager
async def polling(hub: Served) -> AsyncIterator[Poll]:
    """A polling session: send packets, or take what waits."""
    base = f"{hub.url}/socket.io/?EIO=4&transport=polling"
    async with hub.session.get(base) as answer:
        sid = orjson.loads((await answer.text())[1:])["sid"]

    async def poll(*packets: str) -> list[str]:
        if packets:
            async with hub.session.post(f"{base}&sid={sid}", data="\x1e".join(packets)) as answer:
                assert answer.status == 200
                return []
        async with hub.session.get(f"{base}&sid={sid}") as answer:
            assert answer.status == 200
            return (await answer.text()).split("\x1e")

    yield poll


async def test_a_polling_client_that_missed_a_lot_gets_all_and_stays(serve: Serve) -> None:
    hub = await serve(socket_buffer=20, socket_unsent_bytes=57_000)
    raw, answer = await connect(hub)
    await cut(hub, raw)
    for n in range(300):
        hub.deliver("/feed", "feed", data=f'"{n}{"x" * 100}"')
    async with polling(hub) as poll:
        await poll(f'40/feed,{{"token":"{token_of("ann")}","recovery":true,"pid":"{answer["pid"]}"}}')

        async def returned() -> bool:
            return len(hub.sockets.membership.of_user("ann")) == 1

        await until(returned)
        for _ in range(20):
            hub.deliver("/feed", "feed")
        heard: list[str] = []
        while len(heard) < 321:
            heard += await poll()
        assert answer["pid"] in heard[0]
        offsets = [int(one.rsplit('"', 2)[1]) for one in heard[1:]]
        assert offsets == list(range(1, 321))
        for _ in range(20):
            hub.deliver("/feed", "feed")
        socket_ = session_of(hub).connection.socket
        assert socket_.closing is None
        hub.deliver("/feed", "feed")
        assert socket_.closing is Closing.SLOW, "and what comes afterwards counts"


async def test_all_namespaces_of_a_connection_have_one_budget_for_what_they_missed(serve: Serve) -> None:
    hub = await serve(socket_unsent_bytes=3_000)
    raw, answer = await connect(hub)
    auth = {"token": token_of("ann"), "recovery": True}
    await raw.send(f"40/notifications,{orjson.dumps(auth).decode()}")
    other = orjson.loads((await raw.next()).removeprefix("40/notifications,"))
    await cut(hub, raw)
    for _ in range(20):
        hub.deliver("/feed", "feed", data='"' + "x" * 50 + '"')
        hub.deliver("/notifications", "user:ann", data='"' + "x" * 50 + '"')
    raw, again = await connect(hub, pid=answer["pid"])
    assert again["pid"] == answer["pid"]
    for _ in range(20):
        await raw.next()
    claim = orjson.dumps({**auth, "pid": other["pid"]}).decode()
    await raw.send(f"40/notifications,{claim}")
    fresh = orjson.loads((await raw.next()).removeprefix("40/notifications,"))
    assert fresh["pid"] != other["pid"]


async def test_who_was_given_as_much_as_may_be_is_not_cut_by_what_comes_next(serve: Serve) -> None:
    hub = await serve()
    raw, answer = await connect(hub)
    await cut(hub, raw)
    for _ in range(9):
        hub.deliver("/feed", "feed", data='"' + "x" * 116_420 + '"')
    raw = await hub.raw()
    stop_reading(raw)
    engine = hub.sockets.server.http.sockets[raw.handshake["sid"]]
    assert engine._transport is not None
    engine._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    await raw.send(f'40/feed,{{"token":"{token_of("ann")}","recovery":true,"pid":"{answer["pid"]}"}}')

    async def returned() -> bool:
        return len(hub.sockets.membership.of_user("ann")) == 1

    await until(returned)
    assert session_of(hub).pid == answer["pid"]
    assert engine._wire is not None
    assert engine._wire.get_write_buffer_size() > 500_000
    most = Limits().socket_unsent_bytes
    for _ in range(8):
        hub.deliver("/feed", "feed", data='"' + "x" * 100_000 + '"')
    assert engine._wire.get_write_buffer_size() > most
    hub.deliver("/feed", "feed")
    assert engine.closing is None, "what it was given at its return does not make it slow"
    while engine.closing is None:
        hub.deliver("/feed", "feed", data='"' + "x" * 100_000 + '"')
        assert engine._wire.get_write_buffer_size() < 2 * most + 200_000
    assert engine.closing is Closing.SLOW
