"""The two ways onto a websocket: they must not differ in what a client sees."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from gateways.sockets import selftest, wire
from gateways.sockets.closing import Closing
from tests.gateways.sockets.basics import Runner
from tests.gateways.sockets.conftest import Serve, Served, quick
from tests.gateways.sockets.test_slow_readers import BIG, stop_reading


@pytest.fixture
async def stock(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A gateway whose self-test has failed."""

    async def nothing() -> list[object]:
        raise AttributeError("what a changed aiohttp might raise")

    monkeypatch.setattr(selftest, "_heard", nothing)
    return await serve(quick(close_grace=0.2), socket_unsent_bytes=100_000)


async def test_without_direct_writing_everything_comes_in_order_all_the_same(stock: Served) -> None:
    raw = await stock.signed_in()
    (session,) = stock.sockets.membership.of_user("ann")
    assert isinstance(session.connection.socket._wire, wire.StockWire)
    for n in range(300):
        stock.deliver("/feed", "feed", data=n)
    for n in range(300):
        assert await raw.next() == f'42/feed,["test.happened",{{"data":{n}}}]'
    session.connection.socket.close(Closing.DRAINING)
    assert await raw.closed() == Closing.DRAINING.code


async def test_without_direct_writing_a_slow_client_is_cut_all_the_same(stock: Served) -> None:
    slow = await stock.signed_in()
    stop_reading(slow)
    (session,) = stock.sockets.membership.of_user("ann")
    async with asyncio.timeout(20):
        while session.connection.socket.closing is None:
            stock.deliver("/feed", "feed", data=BIG)
            await asyncio.sleep(0)
    assert session.connection.socket.closing is Closing.SLOW


async def test_a_stock_wire_sends_what_waits_before_its_end() -> None:
    async def speak(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        stock = wire.StockWire(ws)
        stock.write(b"\x81\x011\x81\x012")
        assert stock.get_write_buffer_size() > 0
        stock.end(4001, "done")
        await ws.receive()
        stock.stop()
        return ws

    app = web.Application()
    app.router.add_get("/", speak)
    runner = await Runner.start(app)
    async with aiohttp.ClientSession() as session, session.ws_connect(runner.url) as ws:
        assert [message.data async for message in ws] == ["1", "2"]
        assert ws.close_code == 4001
    await runner.cleanup()
