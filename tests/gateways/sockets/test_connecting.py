"""Signing in to namespaces, as the stock client sees it."""

import pytest

from gateways.gateway import Gateway
from schemas.db import Pool
from tests.gateways.sockets.conftest import Serve, Served, quick, token_of
from tests.jsclient import JsClient
from tests.waiting import until

NAMESPACES = ["/feed", "/live", "/notifications", "/messages", "/presence"]
TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]


@pytest.mark.parametrize("transports", TRANSPORTS, ids=str)
async def test_all_namespaces_share_one_connection(hub: Served, js: JsClient, transports: list[str]) -> None:
    sockets = [await js.connect(hub.url, name, token_of("ann"), transports=transports) for name in NAMESPACES]
    assert len(hub.sockets.server.connections) == 1
    for name, socket in zip(NAMESPACES, sockets, strict=True):
        answer = await socket.emit("unheard_of", {})
        assert answer == {"ok": False, "error": {"code": "not_found", "message": f"{name} has no such event"}}


async def test_a_polling_client_goes_over_to_a_websocket_and_misses_nothing(
    hub: Served, js: JsClient
) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("ann"))
    for n in range(50):
        hub.deliver("/feed", "feed", data=n)
    await socket.upgraded()
    for n in range(50, 100):
        hub.deliver("/feed", "feed", data=n)
    for _ in range(100):
        await socket.next("event")
    assert [args[0]["data"] for _, args in socket.events] == list(range(100))


async def test_a_client_that_can_only_poll_hears_everything(hub: Served, js: JsClient) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("ann"), transports=["polling"])
    for n in range(100):
        hub.deliver("/feed", "feed", data=n)
    for _ in range(100):
        await socket.next("event")
    assert [args[0]["data"] for _, args in socket.events] == list(range(100))
    assert (await socket.emit("subscribe", {"zones": ["z" * 200] * 100}))["ok"] is True


@pytest.mark.parametrize("transports", [["websocket"], ["polling"]], ids=str)
async def test_a_bad_token_is_unauthorized(hub: Served, js: JsClient, transports: list[str]) -> None:
    socket = await js.connect(hub.url, "/feed", "not a token", wait=False, transports=transports)
    refused = await socket.next("connect_error")
    assert refused["data"] == {"code": "unauthorized"}
    assert "token" in refused["message"]


@pytest.mark.parametrize("auth", ["", "{}", '{"token":""}', '{"token":7}', "[]", '"token"', "7", "null"])
async def test_without_a_token_nobody_gets_in(hub: Served, auth: str) -> None:
    raw = await hub.raw()
    await raw.send(f"40/feed,{auth}")
    assert '"unauthorized"' in await raw.next()


async def test_an_expired_token_is_unauthorized(hub: Served) -> None:
    assert '"unauthorized"' in await (await hub.raw()).connect("/feed", token_of("ann", ttl=-31))


async def test_one_refused_namespace_leaves_the_others_alone(hub: Served, js: JsClient) -> None:
    feed = await js.connect(hub.url, "/feed", token_of("ann"))
    live = await js.connect(hub.url, "/live", "bad", wait=False)
    await live.next("connect_error")
    assert (await feed.emit("subscribe"))["ok"] is True


async def test_a_token_to_publish_is_no_token_to_listen(hub: Served, js: JsClient) -> None:
    socket = await js.connect(hub.url, "/feed", token_of("shop", "publish"), wait=False)
    assert (await socket.next("connect_error"))["data"] == {"code": "forbidden"}


async def test_an_admin_may_listen(hub: Served, js: JsClient) -> None:
    await js.connect(hub.url, "/feed", token_of("root", "admin"))


@pytest.mark.parametrize("namespace", ["/", "/nope", "/feed/more", "/FEED"])
async def test_an_unknown_namespace_is_invalid(hub: Served, js: JsClient, namespace: str) -> None:
    socket = await js.connect(hub.url, namespace, token_of("ann"), wait=False)
    refused = await socket.next("connect_error")
    assert refused["message"] == "Invalid namespace"


async def test_a_user_exists_from_the_first_sight(hub: Served, js: JsClient, pool: Pool) -> None:
    await js.connect(hub.url, "/feed", token_of("newcomer"))
    assert await pool.fetchval("SELECT count(*) FROM users WHERE id = 'newcomer'") == 1


async def test_a_suspended_user_is_forbidden(hub: Served, js: JsClient, gateway: Gateway, pool: Pool) -> None:
    async with pool.acquire() as conn:
        await gateway.users.suspend(conn, "mallory")
    socket = await js.connect(hub.url, "/feed", token_of("mallory"), wait=False)
    refused = await socket.next("connect_error")
    assert (refused["message"], refused["data"]) == ("this user is suspended", {"code": "forbidden"})
    async with pool.acquire() as conn:
        await gateway.users.resume(conn, "mallory")
    await socket.again()
    await socket.next("connect")


async def test_too_many_connects_from_one_address_are_refused_in_words(serve: Serve, js: JsClient) -> None:
    hub = await serve(connect_rate=0.001, connect_burst=2)
    for n in range(2):
        await js.connect(hub.url, "/feed", token_of("ann"), manager=f"m{n}", transports=["websocket"])
    refused = await js.connect(
        hub.url, "/feed", token_of("ann"), manager="late", wait=False, transports=["websocket"]
    )
    assert (await refused.next("connect_error"))["data"] == {"code": "rate_limited"}


async def test_a_full_gateway_says_so_and_takes_new_ones_once_there_is_room(
    serve: Serve, js: JsClient
) -> None:
    hub = await serve(connections=1)
    first = await js.connect(hub.url, "/feed", token_of("ann"), manager="first")
    second = await js.connect(hub.url, "/feed", token_of("bob"), manager="second", wait=False)
    assert (await second.next("connect_error"))["data"] == {"code": "overloaded"}
    await first.disconnect()

    async def empty() -> bool:
        return not hub.sockets.server.connections

    await until(empty)
    await second.again()
    await second.next("connect")


async def test_a_database_that_is_away_is_answered_not_kept_silent(
    hub: Served, js: JsClient, pool: Pool
) -> None:
    await pool.execute("ALTER TABLE users RENAME TO users_gone")
    socket = await js.connect(hub.url, "/feed", token_of("ann"), wait=False)
    assert (await socket.next("connect_error"))["data"] == {"code": "overloaded"}


async def test_a_sign_in_that_takes_too_long_is_answered(serve: Serve, js: JsClient, pool: Pool) -> None:
    hub = await serve(quick(handler_timeout=0.2))
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE users")
        socket = await js.connect(hub.url, "/feed", token_of("ann"), wait=False)
        assert (await socket.next("connect_error"))["data"] == {"code": "overloaded"}
