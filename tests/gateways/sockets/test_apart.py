"""Sockets within the whole application: what is for HTTP answers is for polling, and not for websockets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web

from bus.telemetry import HTTP_SECONDS
from gateways.gateway import Gateway
from gateways.http.application import http_application
from gateways.sockets.engine_http import EngineHttp
from gateways.sockets.server import attach
from tests.gateways.sockets.conftest import quick, token_of
from tests.gateways.sockets.raw import RawSocket

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}


@pytest.fixture
async def url(gateway: Gateway) -> AsyncIterator[str]:
    app = http_application(gateway)
    attach(app, gateway, quick())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as made:
        yield made


def counted() -> float:
    """How many requests of sockets were measured as HTTP requests."""
    samples = [sample for metric in HTTP_SECONDS.collect() for sample in metric.samples]
    return sum(
        one.value
        for one in samples
        if one.name.endswith("_count") and one.labels["route"].startswith("/socket.io")
    )


async def test_a_websocket_is_no_http_request_that_lasts_for_hours(url: str, session: ClientSession) -> None:
    before = counted()
    raw = await RawSocket.open(session, url)
    assert (await raw.connect("/feed", token_of("ann"))).startswith('40/feed,{"sid":')
    await raw.ws.close()
    async with session.get(f"{url}/socket.io/?EIO=4&transport=polling") as answer:
        assert answer.status == 200
        assert answer.headers["X-Trace-Id"]
    assert counted() == before + 1


async def test_a_websocket_that_is_refused_hears_it_in_the_words_of_the_protocol(
    url: str, session: ClientSession
) -> None:
    async with session.get(f"{url}/socket.io/?EIO=3&transport=websocket", headers=UPGRADE) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 5)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    foreign = {"Origin": "https://evil.example.com"}
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket", headers=foreign)
    assert refused.value.status == 403


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_what_fails_unexpectedly_is_a_problem_on_every_way(
    url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(EngineHttp, "_begin", fail)
    headers = UPGRADE if transport == "websocket" else {}
    async with session.get(f"{url}/socket.io/?EIO=4&transport={transport}", headers=headers) as answer:
        assert answer.status == 500
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert "hunter2" not in await answer.text()


async def test_what_is_beside_the_path_is_a_problem_for_websockets_too(
    url: str, session: ClientSession
) -> None:
    async with session.get(f"{url}/socket.io/more?EIO=4&transport=websocket", headers=UPGRADE) as answer:
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")
