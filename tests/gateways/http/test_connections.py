"""Connections: the silent are let go, too many are refused, and what is no HTTP is not repeated."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from gateways.gateway import Gateway
from tests.gateways.http.served import Caller, serving
from tests.waiting import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def lines() -> Iterator[Any]:
    capture = LogCapture()
    structlog.configure(processors=[capture])
    yield capture.entries
    structlog.reset_defaults()


@asynccontextmanager
async def connected(caller: Caller, sent: bytes = b"") -> AsyncIterator[asyncio.StreamReader]:
    host, _, port = caller.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        yield reader
    finally:
        writer.close()


async def everything(reader: asyncio.StreamReader, within_s: float = 10) -> bytes:
    """What comes until the other side closes or resets."""
    try:
        async with asyncio.timeout(within_s):
            return await reader.read()
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_who_does_not_say_what_they_want_is_cut(gateway: Gateway, sent: bytes) -> None:
    async with serving(gateway, head=0.2) as nobody, connected(nobody, sent) as reader:
        assert await everything(reader) == b""


async def test_between_requests_the_longer_time_counts(gateway: Gateway) -> None:
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    async with serving(gateway, head=0.2, idle=1.0) as nobody, connected(nobody, request) as reader:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await everything(reader)).startswith(b"HTTP/1.1 200 OK")
        assert loop.time() - began >= 0.9


async def test_a_request_that_is_answered_slowly_is_not_cut(gateway: Gateway) -> None:
    async with serving(gateway, head=0.1, idle=0.1) as nobody:
        admin = nobody.being("root", "admin")
        headers = {"Authorization": f"Bearer {admin.token}"}
        async with admin.session.get(f"{admin.url}/v1/events/tail", headers=headers) as response:
            assert await response.content.readuntil(b"\n\n") == b": following\n\n"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await response.content.read()


async def test_too_many_connections_are_refused_and_room_is_made_again(gateway: Gateway) -> None:
    async with serving(gateway, most=3) as nobody:
        async with connected(nobody), connected(nobody), connected(nobody), connected(nobody) as fourth:
            assert await everything(fourth) == b""

        async def answered() -> bool:
            async with connected(
                nobody, b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ) as reader:
                return (await everything(reader)).startswith(b"HTTP/1.1 200")

        await until(answered)


async def test_who_was_refused_leaves_nothing_that_disturbs_who_comes_next(gateway: Gateway) -> None:
    """The numbers of closed sockets are given out again."""
    request = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    async with serving(gateway, most=1) as nobody:
        async with connected(nobody):
            for _ in range(20):
                async with connected(nobody, request) as reader:
                    assert await everything(reader) == b""

        async def answered() -> bool:
            async with connected(nobody, request) as reader:
                return (await everything(reader)).startswith(b"HTTP/1.1 200")

        for _ in range(20):
            await until(answered)


BROKEN = [
    b"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer secrettoken\r\n\r\n",
    b"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer secrettoken\x01\r\n\r\n",
    b"GET /v1/me?token=secrettoken HTTP/9\r\nHost: x\r\n\r\n",
    b"GET /secrettoken\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"secrettoken\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nsecrettoken: " + b"secrettoken" * 2000 + b"\r\n\r\n",
]


@pytest.mark.parametrize("sent", BROKEN)
async def test_what_cannot_be_read_is_answered_and_logged_without_its_content(
    gateway: Gateway, lines: list[dict[str, Any]], caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    caplog.set_level("DEBUG")
    async with serving(gateway) as nobody, connected(nobody, sent) as reader:
        answer = await everything(reader)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] in (b"HTTP/1.0 400 Bad Request", b"HTTP/1.1 400 Bad Request")
    assert b"\r\nServer: hub\r\n" in head + b"\r\n"
    assert b"application/problem+json" in head
    assert b"secrettoken" not in answer
    assert b'"malformed"' in body
    assert [line["event"] for line in lines] == ["a request cannot be read"]
    assert "secrettoken" not in repr(lines) + caplog.text


async def test_broken_requests_do_not_fill_the_log(gateway: Gateway, lines: list[dict[str, Any]]) -> None:
    async with serving(gateway) as nobody:
        for _ in range(30):
            async with connected(nobody, BROKEN[0]) as reader:
                await everything(reader)
    assert 1 <= len(lines) <= 7
