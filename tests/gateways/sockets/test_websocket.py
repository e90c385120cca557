"""Websockets after their handshake: control frames, broken ones, too many; what is left of the request."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from typing import cast

import pytest
from aiohttp import ClientError, ClientSession, WSMsgType, web

from gateways.connections import Patience, opened, served
from gateways.sockets.closing import Closing
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.websocket import Opening, Websocket
from tests.gateways.sockets.conftest import Serve, Served, quick
from tests.gateways.sockets.raw import RawSocket
from tests.waiting import until

both_ways = pytest.mark.parametrize("direct", [True, False], ids=["direct", "stock"])


@pytest.fixture
def direct() -> bool:
    return True


def transport_of(raw: RawSocket) -> asyncio.Transport:
    connection = raw.ws._response.connection
    assert connection is not None
    return cast("asyncio.Transport", connection.transport)


def socket_of(hub: Served, raw: RawSocket) -> EngineSocket:
    return hub.sockets.server.http.sockets[raw.handshake["sid"]]


def masked(first: int, payload: bytes) -> bytes:
    """A frame of a client; a mask of zeros changes nothing."""
    return bytes((first, 0x80 | len(payload))) + bytes(4) + payload


@both_ways
async def test_a_ping_of_the_websocket_itself_is_answered(hub: Served) -> None:
    raw = await hub.signed_in()
    raw.ws._autoping = False
    await raw.ws.ping(b"are you there?")
    answer = await raw.ws.receive(10)
    assert (answer.type, answer.data) == (WSMsgType.PONG, b"are you there?")
    await raw.ws.pong(b"nobody asked")
    assert (await raw.ask("/feed", "subscribe"))["ok"] is True


@both_ways
@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(0x81, b"\xff\xfe"), 1007),  # no UTF-8
        (masked(0x83, b""), 1002),  # an opcode that means nothing
        (masked(0xC1, b"4"), 1002),  # compressed, which was declined
        (masked(0x80, b"4"), 1002),  # goes on with what never began
        (masked(0x88, b"\x00"), 1002),  # an end with half a code
    ],
)
async def test_frames_that_are_none_end_the_connection_with_the_code_for_that(
    hub: Served, frame: bytes, code: int
) -> None:
    raw = await hub.signed_in()
    engine_socket = socket_of(hub, raw)
    transport_of(raw).write(frame)
    assert await raw.closed() == code
    assert engine_socket.closing is Closing.MALFORMED
    assert not hub.sockets.server.connections


UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def shaken(hub: Served, beside: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A websocket without a library, after the answer to its handshake; `beside` is sent with that."""
    host, port = hub.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(UPGRADE + beside)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
    return reader, writer


async def test_the_end_is_said_once(hub: Served) -> None:
    """Nothing may follow the frame that ends a websocket."""
    reader, writer = await shaken(hub)
    writer.write(masked(0x88, (1000).to_bytes(2, "big")))
    async with asyncio.timeout(10):
        sent = await reader.read()
    writer.close()
    size = sent[1]
    assert json.loads(sent[2 : 2 + size].removeprefix(b"0"))["sid"]
    rest = sent[2 + size :]
    assert rest[0] == 0x88
    assert len(rest) == 2 + rest[1]


class Gate:
    """Stands in for what is done with messages: it waits until it is opened."""

    def __init__(self, hub: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[str] = []
        self.open = asyncio.Event()
        monkeypatch.setattr(hub.sockets.server, "message", self.message)

    async def message(self, _: str, text: str) -> None:
        await self.open.wait()
        self.heard.append(text)


@pytest.fixture
def gate(hub: Served, monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(hub, monkeypatch)


async def only_socket(hub: Served) -> tuple[EngineSocket, Websocket]:
    async def settled() -> bool:
        return any(one.websocket for one in hub.sockets.server.http.sockets.values())

    await until(settled)
    (engine_socket,) = hub.sockets.server.http.sockets.values()
    assert isinstance(engine_socket.websocket, Websocket)
    return engine_socket, engine_socket.websocket


async def test_what_comes_with_the_handshake_is_heard_in_order(hub: Served, gate: Gate) -> None:
    said = [str(number) for number in range(2_000)]
    beside = b"".join(masked(0x81, b"4" + one.encode()) for one in said)
    gate.open.set()
    _, writer = await shaken(hub, beside)

    async def all_heard() -> bool:
        return len(gate.heard) == len(said)

    await until(all_heard)
    assert gate.heard == said
    writer.close()


async def test_who_said_too_much_before_the_hand_over_is_not_read_after_it(hub: Served, gate: Gate) -> None:
    big = b"\x81\xfe" + (60_000).to_bytes(2, "big") + bytes(4) + b"4" * 60_000
    beside = masked(0x81, b"4") * 3_880 + big + masked(0x81, b"4") * 200
    _, writer = await shaken(hub, beside)
    _, websocket = await only_socket(hub)

    async def paused() -> bool:
        return websocket._reading_paused

    await until(paused)
    assert not websocket.transport.is_reading()
    gate.open.set()

    async def read_again() -> bool:
        return len(gate.heard) == 4_081 and websocket.transport.is_reading()

    await until(read_again)
    writer.close()


async def test_what_was_said_before_the_connection_was_lost_is_heard(hub: Served, gate: Gate) -> None:
    _, writer = await shaken(hub)
    engine_socket, websocket = await only_socket(hub)
    writer.write(masked(0x81, b"4") * 20_000)

    async def paused() -> bool:
        return websocket._reading_paused

    await until(paused)
    parsed = websocket._queue._size
    websocket.transport.abort()

    async def lost() -> bool:
        return websocket.on_lost is None

    await until(lost)
    gate.open.set()

    async def ended() -> bool:
        return engine_socket.closing is not None

    await until(ended)
    assert engine_socket.closing is Closing.LEFT
    assert len(gate.heard) * 128 > parsed  # and not only what had been parsed
    writer.close()


async def test_nothing_is_written_into_a_connection_that_is_lost(
    hub: Served, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """Transports log a warning for each piece."""
    _, writer = await shaken(hub)
    engine_socket, websocket = await only_socket(hub)
    writer.write(masked(0x81, b"4said") + masked(0x89, b"") * 100)

    async def queued() -> bool:
        return len(websocket._queue._buffer) == 100

    await until(queued)
    websocket.transport.abort()

    async def lost() -> bool:
        return websocket.on_lost is None

    await until(lost)
    hub.sockets.server.connections[engine_socket.sid].socket.send(b"news")
    gate.open.set()

    async def ended() -> bool:
        return not hub.sockets.server.http.sockets

    await until(ended)
    assert gate.heard == ["said"]
    assert not caplog.records
    writer.close()


async def test_who_pings_and_hangs_up_is_not_answered_with_a_warning_for_each(
    hub: Served, caplog: pytest.LogCaptureFixture
) -> None:
    """All of it is read in one step, and the loss is seen in the next."""
    _, writer = await shaken(hub)
    await only_socket(hub)
    writer.write(masked(0x89, b"") * 3_000)
    writer.transport.abort()

    async def ended() -> bool:
        return not hub.sockets.server.http.sockets

    await until(ended)
    assert not caplog.records


async def test_a_handshake_with_a_body_is_refused(hub: Served) -> None:
    """Nobody reads it, and so nothing behind it would be read either."""
    host, port = hub.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(UPGRADE.replace(b"Host: hub", b"Host: hub\r\nContent-Length: 2000000") + b"x" * 1_000)
    async with asyncio.timeout(10):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    writer.close()
    assert not hub.sockets.server.http.sockets


async def test_who_pings_without_reading_the_answers_is_cut(serve: Serve) -> None:
    hub = await serve(quick(close_grace=0.2), socket_unsent_bytes=10_000)
    raw = await hub.signed_in()
    engine_socket, transport = socket_of(hub, raw), transport_of(raw)
    transport.pause_reading()

    async def cut() -> bool:
        transport.write(masked(0x89, b"x" * 125) * 5_000)
        return engine_socket.closing is not None

    await until(cut)
    assert engine_socket.closing is Closing.SLOW
    assert isinstance(engine_socket.websocket, Websocket)
    assert engine_socket.websocket.transport.get_write_buffer_size() < 20_000


async def test_what_a_client_says_too_fast_waits_in_its_own_buffers_and_is_all_heard(
    hub: Served, gate: Gate
) -> None:
    raw = await hub.raw()
    _, websocket = await only_socket(hub)
    said = [f"{number}" + "x" * 5_000 for number in range(1_000)]
    sending = asyncio.gather(raw.send(*("4" + one for one in said)))

    async def paused() -> bool:
        return websocket._reading_paused

    await until(paused)
    assert not websocket.transport.is_reading()
    gate.open.set()
    await sending

    async def all_heard() -> bool:
        return len(gate.heard) == len(said)

    await until(all_heard)
    assert gate.heard == said
    assert websocket.transport.is_reading()


class Talking:
    """An application whose websockets go on alone, and what they are."""

    def __init__(self) -> None:
        self.websockets: list[Websocket] = []
        self.app = web.Application()
        self.app.router.add_get("/", self.begin)

    async def begin(self, request: web.Request) -> web.StreamResponse:
        opening = Opening()
        await opening.prepare(request)
        websocket = opening.leave(request)
        assert websocket is not None
        self.websockets.append(websocket)
        return opening


async def test_an_open_websocket_is_one_of_the_connections_and_nothing_of_its_request_is_left() -> None:
    talking = Talking()
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(opened(talking.app, Patience(most=2)))
        server = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
        stack.callback(server.close)
        url = "http://{}:{}/".format(*server.sockets[0].getsockname())
        session = await stack.enter_async_context(ClientSession())
        ws = [await session.ws_connect(url) for _ in range(2)]

        async def forgotten() -> bool:
            assert door.server is not None
            return door.server.connections == []

        await until(forgotten)
        assert door.open == 2
        with pytest.raises(ClientError):
            await session.ws_connect(url)
        first = talking.websockets[0]
        await ws[0].send_str("still there?")
        assert (await first.receive()).data == "still there?"
        first.close(grace_s=10)

        async def room_is_made() -> bool:
            return door.open == 1

        await until(room_is_made)
        assert (await first.receive()).type is WSMsgType.CLOSED
        ws.append(await session.ws_connect(url))
        assert door.open == 2
        for one in talking.websockets[1:]:
            one.transport.abort()


async def test_a_websocket_on_connections_of_another_kind_stays_with_aiohttp() -> None:
    async def begin(request: web.Request) -> web.StreamResponse:
        opening = Opening()
        await opening.prepare(request)
        assert opening.leave(request) is None
        await opening.send_str("here")
        return opening

    app = web.Application()
    app.router.add_get("/", begin)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{runner.addresses[0][1]}/") as ws,
    ):
        assert [message.data async for message in ws] == ["here"]
        assert ws.close_code == 1000
    await runner.cleanup()


async def test_who_is_cut_before_the_websocket_is_taken_over_leaves_nothing() -> None:
    refused: list[Exception] = []

    async def begin(request: web.Request) -> web.StreamResponse:
        opening = Opening()
        await opening.prepare(request)
        connection = request.protocol
        assert request.transport is not None
        request.transport.abort()

        async def gone() -> bool:
            return request.transport is None

        await until(gone)
        assert opening.leave(request) is None
        with pytest.raises(ConnectionResetError) as caught:
            connection.hand_over(asyncio.Protocol())  # type: ignore[attr-defined]
        refused.append(caught.value)
        return opening

    app = web.Application()
    app.router.add_get("/", begin)
    bound = socket.create_server(("127.0.0.1", 0))
    url = "http://{}:{}/".format(*bound.getsockname())
    async with served(app, bound, Patience(most=10, grace=2)), ClientSession() as session:
        ws = await session.ws_connect(url)
        assert (await ws.receive()).type is WSMsgType.CLOSED
        await until(lambda: asyncio.sleep(0, bool(refused)))
