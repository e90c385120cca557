"""Sockets within the whole application: what is for HTTP answers is for polling, and not for websockets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from bus.telemetry import HTTP_SECONDS
from gateways.gateway import Gateway
from gateways.http.application import http_application
from gateways.sockets.engine_http import EngineHttp
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.protocol import HubServer
from gateways.sockets.server import attach
from tests.gateways.sockets.basics import Runner
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
    runner = await Runner.start(app)
    yield runner.url
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as made:
        yield made


def counted(status: int | None = None) -> float:
    """How many requests of sockets were measured as HTTP requests."""
    samples = [sample for metric in HTTP_SECONDS.collect() for sample in metric.samples]
    return sum(
        one.value
        for one in samples
        if one.name.endswith("_count")
        and one.labels["route"] == "/socket.io/"
        and (status is None or one.labels["status"] == str(status))
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
    foreign, before = {"Origin": "https://evil.example.com"}, counted(403)
    with pytest.raises(WSServerHandshakeError) as refused:
        await session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket", headers=foreign)
    assert refused.value.status == 403
    assert "Access-Control-Allow-Origin" not in (refused.value.headers or {})
    assert counted(403) == before + 1


async def test_a_websocket_whose_client_hangs_up_is_no_request_that_failed(
    url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang_up(_socket: EngineSocket, _ws: web.WebSocketResponse, request: web.Request) -> None:
        assert request.transport is not None
        request.transport.close()
        raise ConnectionResetError("as a write to a closed connection does")

    monkeypatch.setattr(EngineSocket, "_converse", hang_up)
    before = counted()
    ws = await session.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket")
    assert (await ws.receive()).type is not WSMsgType.TEXT
    assert counted() == before


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_who_is_not_let_in_is_counted_on_every_way(
    url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setattr(HubServer, "admit", lambda *_: None)  # as a gateway that stops, or is overrun
    before = counted(503)
    headers = UPGRADE if transport == "websocket" else {}
    async with session.get(f"{url}/socket.io/?EIO=4&transport={transport}", headers=headers) as answer:
        assert answer.status == 503
    assert counted(503) == before + 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_what_fails_unexpectedly_is_a_problem_on_every_way(
    url: str, session: ClientSession, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(EngineHttp, "_begin", fail)
    before = counted(500)
    headers = UPGRADE if transport == "websocket" else {}
    with capture_logs(processors=[merge_contextvars]) as logs:
        async with session.get(f"{url}/socket.io/?EIO=4&transport={transport}", headers=headers) as answer:
            assert answer.status == 500
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert "hunter2" not in await answer.text()
            trace = answer.headers["X-Trace-Id"]
            assert (await answer.json())["trace_id"] == trace
    assert [line["trace_id"] for line in logs if line["event"] == "request failed"] == [trace]
    assert counted(500) == before + 1


async def test_what_is_beside_the_path_is_a_problem_for_websockets_too(
    url: str, session: ClientSession
) -> None:
    async with session.get(f"{url}/socket.io/more?EIO=4&transport=websocket", headers=UPGRADE) as answer:
        assert answer.status == 404
        assert answer.headers["Content-Type"].startswith("application/problem+json")
