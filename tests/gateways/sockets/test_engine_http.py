"""The HTTP side of Engine.IO: statuses, origins, addresses, and what polling may not do."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError

from gateways.config import BODY_S
from gateways.sockets.closing import Closing
from gateways.sockets.reception import _neighbourhood
from gateways.sockets.timings import Timings
from tests.gateways.sockets.conftest import Serve, Served, quick, token_of
from tests.gateways.sockets.raw import RawSocket, connect
from tests.jsclient import JsClient
from tests.waiting import until

Poll = Callable[..., Awaitable[tuple[int, str]]]


class Polling:
    """One polling session, by hand."""

    def __init__(self, hub: Served, sid: str = "") -> None:
        self.hub = hub
        self.sid = sid

    @classmethod
    async def open(cls, hub: Served) -> "Polling":
        _, body = await cls(hub).call("GET", f"{hub.url}/socket.io/?EIO=4&transport=polling")
        return cls(hub, json.loads(body[1:])["sid"])

    async def call(self, method: str, url: str = "", data: Any = None, **headers: str) -> tuple[int, str]:
        address = url or f"{self.hub.url}/socket.io/?EIO=4&transport=polling&sid={self.sid}"
        async with self.hub.session.request(method, address, data=data, headers=headers) as answer:
            return answer.status, await answer.text()

    async def get(self) -> tuple[int, str]:
        return await self.call("GET")

    async def post(self, data: Any) -> tuple[int, str]:
        return await self.call("POST", data=data)

    async def websocket(self) -> RawSocket:
        address = f"{self.hub.url}/socket.io/?EIO=4&transport=websocket&sid={self.sid}"
        raw = RawSocket(await connect(self.hub.session, address))
        self.hub.raws.append(raw)
        return raw


@pytest.fixture
async def polling(hub: Served) -> Polling:
    return await Polling.open(hub)


async def test_the_handshake_tells_the_timings_and_the_largest_message(serve: Serve) -> None:
    hub = await serve(quick(ping_interval=0.3, ping_timeout=0.2), body_bytes=1234)
    raw = await hub.raw()
    sid = raw.handshake.pop("sid")
    assert len(sid) >= 20
    assert raw.handshake == {"upgrades": [], "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1234}
    _, body = await Polling(hub).call("GET", f"{hub.url}/socket.io/?EIO=4&transport=polling")
    assert json.loads(body[1:])["upgrades"] == ["websocket"]


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=polling&sid=unknown", 1),
        ("POST", "EIO=4&transport=polling&sid=unknown", 1),
        ("GET", "EIO=4&transport=polling&j=0", 3),
    ],
)
@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io"])
async def test_a_wrong_request_is_answered_in_the_words_of_the_protocol(
    hub: Served, path: str, method: str, query: str, code: int
) -> None:
    status, body = await Polling(hub).call(method, f"{hub.url}{path}?{query}")
    assert (status, json.loads(body)["code"]) == (400, code)
    assert not hub.sockets.server.connections


async def test_a_wrong_method_within_a_session_is_refused(polling: Polling) -> None:
    assert (await polling.call("DELETE"))[0] == 400


async def test_a_client_that_leaves_ends_its_poll(polling: Polling) -> None:
    poll, post = await asyncio.gather(polling.get(), polling.post("1"))
    assert (poll, post) == ((200, "6"), (200, "ok"))
    assert (await polling.get())[0] == 400
    assert not polling.hub.sockets.server.connections


async def test_two_polls_at_a_time_end_the_session(polling: Polling) -> None:
    first = asyncio.ensure_future(polling.get())

    async def waits() -> bool:
        return polling.hub.sockets.server.http.sockets[polling.sid]._polling

    await until(waits)
    assert (await polling.get())[0] == 400
    assert await first == (200, "1")
    assert (await polling.get())[0] == 400


async def test_a_polled_session_that_does_not_answer_pings_is_gone(serve: Serve) -> None:
    hub = await serve(quick(ping_interval=0.05, ping_timeout=0.05))
    polling = await Polling.open(hub)
    assert await polling.get() == (200, "2")

    async def gone() -> bool:
        return (await polling.get())[0] == 400

    await until(gone)


@pytest.mark.parametrize("body", ["", "abc", "b?", "bAQ", b"\xff\xfe", "\x1e".join(["3"] * 1001)])
async def test_a_broken_body_ends_the_session(polling: Polling, body: Any) -> None:
    assert (await polling.post(body))[0] == 400
    assert (await polling.get())[0] == 400


async def test_a_body_beyond_the_limit_ends_the_session(serve: Serve) -> None:
    polling = await Polling.open(await serve(body_bytes=1000))

    async def chunks() -> Any:  # without a Content-Length
        for _ in range(10):
            yield b"4" * 200

    assert (await polling.post(chunks()))[0] == 400
    assert (await polling.get())[0] == 400


async def test_a_body_that_does_not_come_ends_the_session(serve: Serve) -> None:
    polling = await Polling.open(await serve(quick(body_timeout=0.1)))
    host, _, port = polling.hub.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = f"/socket.io/?EIO=4&transport=polling&sid={polling.sid}"
    writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n4".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    assert not polling.hub.sockets.server.connections
    writer.close()


def test_a_body_may_take_as_long_at_every_door() -> None:
    assert Timings().body_timeout == BODY_S


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_body_with_a_broken_packing_ends_the_session(polling: Polling, encoding: str) -> None:
    packed = {"Content-Encoding": encoding}
    assert (await polling.call("POST", data=b"this is not packed", **packed))[0] == 400
    assert (await polling.get())[0] == 400


async def test_a_large_body_is_read_to_its_end(polling: Polling) -> None:
    zones = [f"{n}" + "z" * 190 for n in range(100)]
    packets = [
        f'40/feed,{{"token":"{token_of("ann")}"}}',
        f'42/feed,1["subscribe",{json.dumps({"zones": zones})}]',
    ]
    packets += ['42/feed,2["subscribe",{"note":"%s"}]' % ("x" * 300_000)]
    assert await polling.post("\x1e".join(packets)) == (200, "ok")
    answers: list[str] = []
    while len(answers) < 3:
        answers += (await polling.get())[1].split("\x1e")
    assert answers[1].startswith('43/feed,1[{"ok":true')
    assert '"path":"note"' in answers[2]


async def test_a_poll_takes_no_more_than_the_largest_message_at_once(serve: Serve) -> None:
    hub = await serve(body_bytes=1000)
    polling = await Polling.open(hub)
    await polling.post(f'40/feed,{{"token":"{token_of("ann")}"}}')
    assert (await polling.get())[1].startswith("40/feed,")
    for _ in range(3):
        hub.deliver("/feed", "feed", data='"' + "x" * 600 + '"')
    for _ in range(3):
        assert len((await polling.get())[1].split("\x1e")) == 1


async def test_an_upgrade_carries_on_without_a_gap(polling: Polling) -> None:
    hub = polling.hub
    await polling.post(f'40/feed,{{"token":"{token_of("ann")}"}}')
    await polling.get()
    poll = asyncio.ensure_future(polling.get())
    raw = await polling.websocket()
    await raw.send("2probe")
    assert await raw.next() == "3probe"
    assert await poll == (200, "6")
    hub.deliver("/feed", "feed", data=1)
    assert await polling.get() == (200, "6")  # held back for the websocket
    await raw.send("5")
    assert await raw.next() == '42/feed,["test.happened",{"data":1}]'
    assert (await polling.get())[0] == 400
    assert (await polling.post("3"))[0] == 400
    second = await polling.websocket()
    assert await second.closed() == Closing.MALFORMED.code
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True


@pytest.mark.parametrize("words", [["5"], ["2probe", "4hello"], ["2wrong"]])
async def test_a_failed_upgrade_leaves_polling_as_it_was(polling: Polling, words: list[str]) -> None:
    raw = await polling.websocket()
    await raw.send(*words)
    await raw.closed()
    await polling.post(f'40/feed,{{"token":"{token_of("ann")}"}}')
    assert (await polling.get())[1].startswith("40/feed,")


async def test_an_upgrade_that_stands_still_is_given_up(serve: Serve) -> None:
    polling = await Polling.open(await serve(quick(upgrade_timeout=0.1)))
    raw = await polling.websocket()
    await raw.send("2probe")
    assert await raw.next() == "3probe"
    await raw.closed()
    await polling.post(f'40/feed,{{"token":"{token_of("ann")}"}}')
    assert (await polling.get())[1].startswith("40/feed,")


async def test_a_second_upgrade_beside_the_first_is_refused(polling: Polling) -> None:
    first = await polling.websocket()
    second = await polling.websocket()
    await second.send("2probe", "5")
    assert await second.closed() == Closing.MALFORMED.code
    await first.send("2probe")
    assert await first.next() == "3probe"


async def test_many_refused_connections_get_no_more_than_a_status(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateways.sockets.reception.EXPLAINED", 1)
    hub = await serve(connect_rate=0.001, connect_burst=1)
    await hub.raw()
    await hub.raw()
    with pytest.raises(WSServerHandshakeError) as refused:
        await hub.raw()
    assert refused.value.status == 503


# Origins


async def statuses(hub: Served, **headers: str) -> tuple[int, int]:
    """How a poll and a websocket with these headers are received."""
    poll, _ = await Polling(hub).call("GET", f"{hub.url}/socket.io/?EIO=4&transport=polling", **headers)
    try:
        await hub.raw(**headers)
    except WSServerHandshakeError as refused:
        return poll, refused.status
    return poll, 101


@pytest.mark.parametrize(
    "origin", ["http://evil.example.com", "null", "https://127.0.0.1.example.com", "http://127.0.0.1", "x"]
)
async def test_pages_of_other_origins_are_refused(hub: Served, origin: str) -> None:
    assert await statuses(hub, Origin=origin) == (403, 403)
    assert not hub.sockets.server.connections


async def test_our_own_pages_and_native_clients_are_welcome(hub: Served) -> None:
    assert await statuses(hub) == (200, 101)
    assert await statuses(hub, Origin=hub.url) == (200, 101)


async def test_a_forwarded_host_makes_no_page_our_own(hub: Served) -> None:
    forged = {"X-Forwarded-Host": "evil.example.com", "X-Forwarded-Proto": "http"}
    assert await statuses(hub, Origin="http://evil.example.com", **forged) == (403, 403)


async def test_listed_origins_and_the_public_address_are_welcome(serve: Serve) -> None:
    hub = await serve(
        config={"allowed_origins": ("https://app.example.com",), "public_url": "https://hub.example.com"}
    )
    assert await statuses(hub, Origin="https://app.example.com") == (200, 101)
    assert await statuses(hub, Origin="https://hub.example.com") == (200, 101)
    assert await statuses(hub, Origin="https://other.example.com") == (403, 403)


async def test_a_welcome_page_may_read_the_answers(serve: Serve) -> None:
    hub = await serve(config={"allowed_origins": ("https://app.example.com",)})
    url = f"{hub.url}/socket.io/?EIO=4&transport=polling"
    for method, status in (("GET", 200), ("OPTIONS", 204), ("PUT", 400)):
        async with hub.session.request(method, url, headers={"Origin": "https://app.example.com"}) as answer:
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
            assert answer.headers["Vary"] == "Origin"


async def test_a_foreign_page_may_read_nothing(hub: Served) -> None:
    headers = {"Origin": "http://evil.example.com"}
    for method in ("GET", "OPTIONS"):
        async with hub.session.request(method, f"{hub.url}/socket.io/", headers=headers) as answer:
            assert answer.status == 403
            assert "Access-Control-Allow-Origin" not in answer.headers


# Addresses


async def test_an_invented_forwarded_address_does_not_evade_the_limit(serve: Serve) -> None:
    hub = await serve(connect_rate=0.001, connect_burst=1)
    await hub.raw()
    raw = await hub.raw(**{"X-Forwarded-For": "6.6.6.6"})
    assert '"rate_limited"' in await raw.connect("/feed", token_of("ann"))


async def test_behind_a_trusted_proxy_each_address_counts_for_itself(serve: Serve) -> None:
    hub = await serve(config={"trusted_proxies": ("127.0.0.0/8",)}, connect_rate=0.001, connect_burst=1)
    for address in ("192.0.2.1", "192.0.2.2"):
        raw = await hub.raw(**{"X-Forwarded-For": f"6.6.6.6, {address}"})
        assert '"sid"' in await raw.connect("/feed", token_of("ann"))
    raw = await hub.raw(**{"X-Forwarded-For": "7.7.7.7, 192.0.2.1"})
    assert '"rate_limited"' in await raw.connect("/feed", token_of("ann"))
    assert {c.address for c in hub.sockets.server.connections.values()} == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:0:2", True),  # one machine has a whole /64 to itself
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    ],
)
async def test_addresses_of_one_machine_share_their_allowance(
    serve: Serve, first: str, second: str, shared: bool
) -> None:
    hub = await serve(config={"trusted_proxies": ("127.0.0.0/8",)}, connect_rate=0.001, connect_burst=1)
    await hub.raw(**{"X-Forwarded-For": first})
    raw = await hub.raw(**{"X-Forwarded-For": second})
    assert ('"rate_limited"' in await raw.connect("/feed", token_of("ann"))) == shared


@pytest.mark.parametrize(
    ("peer", "shared_by"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),  # as a listener for both families sees IPv4: not one /64 for all
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_whatever_a_listener_calls_a_peer_has_an_allowance(peer: str, shared_by: str) -> None:
    assert _neighbourhood(peer) == shared_by


async def test_the_stock_client_with_a_foreign_origin_cannot_connect(hub: Served, js: JsClient) -> None:
    socket = await js.connect(
        hub.url,
        "/feed",
        token_of("ann"),
        wait=False,
        reconnection=False,
        extraHeaders={"Origin": "http://evil.example.com"},
    )
    assert "error" in (await socket.next("connect_error"))["message"]
