"""How connections end, and who comes back: expiry, suspension, silence, drain."""

import asyncio
import gc
import weakref
from datetime import timedelta

import pytest

from bus.tasks import spawn
from gateways.gateway import Gateway
from gateways.sockets.closing import Closing
from tests.gateways.sockets.conftest import MovableClock, Serve, Served, quick, token_of
from tests.jsclient import JsClient
from tests.waiting import until

TRANSPORTS = pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=str)


@pytest.fixture(params=[True, False], ids=["direct", "stock"])
def direct(request: pytest.FixtureRequest) -> bool:
    """Both ways of writing frames."""
    return bool(request.param)


def suspend(hub: Served, user: str) -> None:
    hub.obey("suspend", user)


@TRANSPORTS
async def test_an_expired_token_is_told_and_the_client_comes_back_with_a_fresh_one(
    hub: Served, js: JsClient, clock: MovableClock, transports: list[str]
) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("ann", ttl=3600), transports=transports)
    await socket.set_token(token_of("ann", ttl=9000))
    clock.ahead += timedelta(hours=1)
    expired = await socket.next("event")
    assert expired["name"] == "session_expired"
    assert list(expired["args"][0]) == ["message"]
    lost = await socket.next("disconnect")
    assert (lost["reason"], lost["active"]) == ("transport close", True)
    await socket.next("connect")


async def test_expiry_closes_with_a_code_of_its_own_after_the_event(hub: Served, clock: MovableClock) -> None:
    raw = await hub.signed_in()
    clock.ahead += timedelta(hours=1)
    assert (await raw.next()).startswith('42/feed,["session_expired",{"message":"')
    assert await raw.closed() == Closing.EXPIRED.code


async def test_the_first_token_to_expire_ends_the_connection(hub: Served, clock: MovableClock) -> None:
    raw = await hub.raw()
    await raw.connect("/feed", token_of("ann", ttl=9000))
    await raw.connect("/live", token_of("ann", ttl=3600))
    clock.ahead += timedelta(hours=1)
    assert (await raw.next()).startswith('42/live,["session_expired"')
    assert await raw.closed() == Closing.EXPIRED.code


async def test_who_comes_within_the_leeway_stays_until_its_end(hub: Served, clock: MovableClock) -> None:
    raw = await hub.raw()
    await raw.connect("/feed", token_of("ann", ttl=-5))
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True
    clock.ahead += timedelta(seconds=25)
    assert (await raw.next()).startswith('42/feed,["session_expired"')


async def test_a_token_that_outlives_the_process_is_no_trouble(hub: Served) -> None:
    raw = await hub.raw()
    await raw.connect("/feed", token_of("ann", ttl=100 * 365 * 86400))
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True


@TRANSPORTS
async def test_a_suspended_user_is_cut_off_and_does_not_come_back(
    hub: Served, js: JsClient, gateway: Gateway, transports: list[str]
) -> None:
    feed = await js.connect(hub.url, "/feed", token_of("mallory"), transports=transports)
    live = await js.connect(hub.url, "/live", token_of("mallory"), transports=transports)
    other = await js.connect(hub.url, "/feed", token_of("ann"), manager="other")
    async with gateway.pool.acquire() as conn:
        await gateway.users.suspend(conn, "mallory")
    suspend(hub, "mallory")
    for socket in (feed, live):
        lost = await socket.next("disconnect")
        assert (lost["reason"], lost["active"]) == ("io server disconnect", False)
    assert hub.sockets.membership.of_user("mallory") == ()
    await feed.again()
    assert (await feed.next("connect_error"))["data"] == {"code": "forbidden"}
    assert (await other.emit("subscribe"))["ok"] is True


async def test_a_client_that_ignores_the_disconnect_is_closed_all_the_same(hub: Served) -> None:
    raw = await hub.signed_in(user="mallory")
    suspend(hub, "mallory")
    assert await raw.next() == "41/feed"
    assert await raw.closed() == Closing.SUSPENDED.code


async def test_a_suspension_that_comes_while_signing_in_counts(hub: Served, gateway: Gateway) -> None:
    async with gateway.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE users")
        raw = await hub.raw()
        await raw.send(f'40/feed,{{"token":"{token_of("mallory")}"}}')

        async def waits() -> bool:
            return bool(await conn.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

        await until(waits)
        suspend(hub, "mallory")
    assert '"forbidden"' in await raw.next()


async def test_words_of_a_newer_hub_are_passed_over(hub: Served) -> None:
    raw = await hub.signed_in()
    hub.obey("unheard", "of")
    hub.deliver("/feed", "feed")
    assert (await raw.next()).startswith("42/feed,")


async def test_a_silent_client_is_closed(serve: Serve) -> None:
    hub = await serve(quick(ping_interval=0.1, ping_timeout=0.1))
    raw = await hub.raw()
    assert (await raw.ws.receive()).data == "2"
    assert await raw.closed() == Closing.SILENT.code


async def test_a_client_that_answers_pings_stays(serve: Serve) -> None:
    hub = await serve(quick(ping_interval=0.05, ping_timeout=0.2))
    raw = await hub.signed_in()
    for _ in range(5):
        assert (await raw.ws.receive()).data == "2"
        await raw.send("3")
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True


@TRANSPORTS
async def test_the_stock_client_stays_over_many_pings(
    serve: Serve, js: JsClient, transports: list[str]
) -> None:
    hub = await serve(quick(ping_interval=0.05, ping_timeout=0.5))
    socket = await js.connect(hub.url, "/feed", token_of("ann"), transports=transports)
    loop = asyncio.get_running_loop()
    long_enough = loop.time() + 1

    async def passed() -> bool:
        return loop.time() > long_enough

    await until(passed)
    assert (await socket.emit("subscribe"))["ok"] is True
    assert not [one for one in js.happened if one["on"] == "disconnect"]


async def test_when_the_gateway_stops_clients_are_let_go_to_come_back(hub: Served, js: JsClient) -> None:
    sockets = [
        await js.connect(hub.url, "/feed", token_of("ann"), manager=kind, transports=[kind])
        for kind in ("websocket", "polling")
    ]

    async def polls() -> bool:  # a request that comes while the server closes may hang until the process ends
        return any(socket._polling for socket in hub.sockets.server.http.sockets.values())

    await until(polls)
    await hub.runner.cleanup()
    for socket in sockets:
        assert (await socket.next("disconnect"))["active"] is True
    assert not hub.sockets.server.connections


async def test_the_drain_says_so_with_a_code(hub: Served) -> None:
    raw = await hub.signed_in()
    _, code = await asyncio.gather(hub.runner.cleanup(), raw.closed())
    assert code == Closing.DRAINING.code


async def test_the_drain_does_not_wait_for_ever(serve: Serve) -> None:
    hub = await serve(quick(drain_timeout=0.3))
    await hub.signed_in()  # and never read again
    async with asyncio.timeout(5):
        await hub.runner.cleanup()


async def test_the_drain_closes_one_after_the_other_and_answers_who_is_still_there(serve: Serve) -> None:
    hub = await serve(quick(drain_rate=2))
    first, last = await hub.signed_in(), await hub.signed_in()
    draining = spawn(hub.sockets.server.drain(), name="drain")
    assert await first.closed() == Closing.DRAINING.code
    assert (await last.ask("/feed", "subscribe"))["ok"] is True
    assert await last.closed() == Closing.DRAINING.code
    await draining


async def test_while_draining_nobody_new_is_let_in(hub: Served) -> None:
    await hub.sockets.server.drain()
    async with hub.session.get(f"{hub.url}/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 503


@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize("broken", [True, False])
async def test_a_connection_that_was_cut_leaves_nothing_to_search_for(
    hub: Served, signed_in: bool, broken: bool
) -> None:
    raw = await (hub.signed_in() if signed_in else hub.raw())
    (socket,) = hub.sockets.server.http.sockets.values()
    left = weakref.ref(socket.websocket)
    del socket
    gc.collect()
    gc.disable()
    try:
        response = raw.ws._response
        assert response.connection is not None
        assert response.connection.transport is not None
        transport = response.connection.transport
        if broken:
            transport.write(b"\x83\x80\0\0\0\0")
            assert await raw.closed() == 1002
        transport.abort()

        async def gone() -> bool:
            return left() is None

        await until(gone)
    finally:
        gc.enable()
