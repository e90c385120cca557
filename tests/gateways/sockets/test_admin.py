"""`/admin`: what the Socket.IO Admin UI is told, and who may watch; spoken by the stock client."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateways.sockets import admin
from gateways.sockets.admin import FEATURES, Admin
from tests.gateways.sockets.conftest import Serve, Served, quick, token_of
from tests.jsclient import DEADLINE, Happening, JsClient, JsSocket

QUICK = quick(admin_interval=0.05)


@pytest.fixture
async def hub(serve: Serve) -> Served:
    return await serve(QUICK)


async def watcher(js: JsClient, hub: Served) -> JsSocket:
    return await js.connect(hub.url, "/admin", token_of("root", "admin"), manager=f"root{js.next_number()}")


async def told(socket: JsSocket, name: str, about: str = "") -> list[Any]:
    """The arguments of the next event of a name, about a socket or a room."""
    async with asyncio.timeout(DEADLINE):  # stats come for ever
        while True:
            happened = await socket.next("event")
            if happened["name"] == name and about in str(happened["args"]):
                return list(happened["args"])


async def stats_where(socket: JsSocket, true: Callable[[Any], object]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while True:
            (stats,) = await told(socket, "server_stats")
            if true(stats):
                return stats


def sockets_in(stats: Any) -> dict[str, int]:
    return {one["name"]: one["socketsCount"] for one in stats["namespaces"]}


async def refusal(js: JsClient, hub: Served, token: str | None) -> Happening:
    socket = await js.connect(hub.url, "/admin", token, wait=False)
    return await socket.next("connect_error")


async def test_an_admin_is_told_of_every_socket_that_is_there(hub: Served, js: JsClient) -> None:
    ann = await js.connect(hub.url, "/feed", token_of("ann"), manager="ann", transports=["websocket"])
    sid = (await ann.client.wait(lambda one: one["id"] == ann.id and one["on"] == "connect"))[1]["sid"]
    watching = await watcher(js, hub)
    assert await told(watching, "config") == [{"supportedFeatures": list(FEATURES)}]
    (sockets,) = await told(watching, "all_sockets")
    found = {one["nsp"]: one for one in sockets}
    assert set(found) == {"/admin", "/feed"}
    feed = found["/feed"]
    assert (feed["id"], feed["transport"], feed["rooms"]) == (sid, "websocket", ["feed"])
    assert feed["data"] == {"user": "ann"}
    assert feed["handshake"]["address"] == "127.0.0.1"
    assert feed["handshake"]["issued"] > 0


async def test_nothing_is_told_of_tokens_headers_or_queries(hub: Served, js: JsClient) -> None:
    token = token_of("ann")
    await js.connect(hub.url, "/feed", token, manager="ann", extraHeaders={"X-Secret": "a secret header"})
    watching = await watcher(js, hub)
    (sockets,) = await told(watching, "all_sockets")
    assert token not in str(sockets)
    assert "a secret header" not in str(sockets)
    assert [(one["handshake"]["headers"], one["handshake"]["query"]) for one in sockets] == [({}, {})] * 2


async def test_stats_count_connections_and_what_came_and_went(hub: Served, js: JsClient) -> None:
    watching = await watcher(js, hub)
    (stats,) = await told(watching, "server_stats")
    assert (stats["serverId"], stats["clientsCount"], sockets_in(stats)) == ("test", 1, {"/admin": 1})
    kinds: list[str] = []

    def count(stats: Any) -> tuple[int, int]:
        kinds.extend(one["type"] for one in stats["aggregatedEvents"])
        return stats["clientsCount"], stats["pollingClientsCount"]

    ann = await js.connect(hub.url, "/feed", token_of("ann"), manager="ann", transports=["polling"])
    await stats_where(watching, lambda stats: count(stats) == (2, 1))
    await stats_where(watching, lambda stats: sockets_in(stats) == {"/admin": 1, "/feed": 1})
    assert "rawDisconnection" not in kinds
    await ann.disconnect()
    await stats_where(watching, lambda stats: count(stats)[0] == 1)
    assert kinds == ["rawConnection", "rawDisconnection"]


async def test_who_comes_joins_leaves_and_goes_is_told(hub: Served, js: JsClient) -> None:
    watching = await watcher(js, hub)
    ann = await js.connect(hub.url, "/feed", token_of("ann"), manager="ann")
    one, at = await told(watching, "socket_connected", "/feed")
    assert "T" in at
    await ann.emit("subscribe", {"zones": ["z1"]})
    assert (await told(watching, "room_joined", "zone:z1"))[:3] == ["/feed", "zone:z1", one["id"]]
    await ann.emit("unsubscribe", {"zones": ["z1"]})
    assert (await told(watching, "room_left", "zone:z1"))[:3] == ["/feed", "zone:z1", one["id"]]
    await ann.disconnect()
    gone = await told(watching, "socket_disconnected", one["id"])
    assert gone[:2] == ["/feed", one["id"]]


async def test_an_upgraded_transport_is_told(hub: Served, js: JsClient) -> None:
    watching = await watcher(js, hub)
    raw = await hub.raw()
    await raw.connect("/feed", token_of("bob"))
    (connection,) = [one for one in hub.sockets.server.connections.values() if "/feed" in one.sessions]
    websocket, connection.socket.websocket = connection.socket.websocket, None
    await told(watching, "socket_connected", "polling")
    connection.socket.websocket = websocket
    assert (await told(watching, "socket_updated"))[0]["transport"] == "websocket"


async def test_only_the_youngest_sockets_are_listed(
    hub: Served, js: JsClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "MOST_SOCKETS", 2)
    watching = await watcher(js, hub)
    for user in ("ann", "bob", "eve"):
        await hub.signed_in(user=user)
    await told(watching, "socket_connected", "eve")
    assert admin.UNLISTED in [args[2] for name, args in watching.events if name == "socket_disconnected"]
    (sockets,) = await told(await watcher(js, hub), "all_sockets")
    assert [one["data"]["user"] for one in sockets] == ["eve", "bob"]
    await stats_where(watching, lambda stats: sockets_in(stats) == {"/admin": 2, "/feed": 3})


async def test_the_form_of_the_page_takes_the_token_as_the_password(hub: Served) -> None:
    raw = await hub.raw()
    token = token_of("root", "admin")
    await raw.send(f'40/admin,{{"username":"anything","password":"{token}"}}')
    assert (await raw.next()).startswith('40/admin,{"sid"')


async def test_who_is_no_admin_is_refused(hub: Served, js: JsClient) -> None:
    answer = await refusal(js, hub, token_of("ann", "user", "publish"))
    assert answer["data"] == {"code": "forbidden"}
    assert answer["message"] == "the token has no scope `admin`"


async def test_who_shows_no_token_is_refused(hub: Served, js: JsClient) -> None:
    assert (await refusal(js, hub, None))["data"] == {"code": "unauthorized"}


@pytest.mark.parametrize("command", ["emit", "join", "leave", "_disconnect"])
async def test_commands_of_the_page_do_nothing(hub: Served, js: JsClient, command: str) -> None:
    bob = await hub.signed_in(user="bob")
    watching = await watcher(js, hub)
    answer = await watching.emit(command, "/feed", "feed", "test", "x")
    assert answer["error"]["code"] == "not_found"
    hub.deliver("/feed", "feed", data=1)
    assert await bob.next() == '42/feed,["test.happened",{"data":1}]'


async def test_nothing_looks_when_the_last_watcher_has_gone(hub: Served, js: JsClient) -> None:
    first, second = await watcher(js, hub), await watcher(js, hub)
    space = hub.namespaces["/admin"]
    assert isinstance(space, Admin)
    looking = space._looking
    await first.disconnect()
    await told(second, "socket_disconnected")
    assert looking is not None
    assert not looking.done()
    await second.cut()
    await hub.sockets.server.http.emptied()
    assert space._looking is None
    assert not space._seen
