"""Following the events: what is said when the hub goes away, and where it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from ops import following
from ops.following import Follower
from ops.settings import Auth, Settings, SettingsError
from tests.waiting import until


class Door:
    """A hub's tail that shows one event and breaks off; every second time it asks for patience."""

    def __init__(self) -> None:
        self.url = ""
        self.asked_after: list[str | None] = []

    async def tail(self, request: web.Request) -> web.StreamResponse:
        self.asked_after.append(request.headers.get("Last-Event-ID"))
        number = len(self.asked_after)
        if number % 2 == 0:
            return web.Response(status=503)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b'id: %d\ndata: {"n": %d}\n\n' % (number, number))
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    door = Door()
    app = web.Application()
    app.router.add_get("/v1/events/tail", door.tail)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield door
    await runner.cleanup()


def settings(url: str) -> Settings:
    return Settings(public_url=url, auth=Auth(secret=SecretStr("x" * 32)))


async def test_a_cut_is_one_line_and_the_next_connection_goes_on_behind_the_last_event(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_S", 0.01)
    shown: list[dict[str, Any]] = []
    said: list[str] = []
    reading = asyncio.ensure_future(Follower(settings(door.url), shown.append, said.append).run({}))

    async def seen() -> bool:
        return len(shown) >= 2

    await until(seen)
    reading.cancel()
    with suppress(asyncio.CancelledError):
        await reading
    assert shown[:2] == [{"n": 1}, {"n": 3}]
    assert door.asked_after[:3] == [None, "1", "1"]
    assert said[:4] == [
        "waiting for events; Ctrl-C stops",
        "the connection was cut; trying again in 0 s",
        "503 Service Unavailable; trying again in 0 s",
        "connected again",
    ]


async def test_a_hub_that_is_not_there_to_begin_with_is_an_error() -> None:
    with pytest.raises(SettingsError, match=r"no hub answers at http://127\.0\.0\.1:1: is it running\?"):
        await Follower(settings("http://127.0.0.1:1"), print, print).run({})
