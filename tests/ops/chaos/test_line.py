"""The line: it leads to who answers, in turn, and breaks in more than one way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from ops.chaos.line import Line
from tests.waiting import until

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Ends]]


class Echo:
    """A server that says its name, and then everything twice."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.open = 0
        self.url = ""
        self._server: asyncio.Server | None = None

    async def start(self) -> "Echo":
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        writer.write(f"{self.name}\n".encode())
        with suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        self.open -= 1
        writer.transport.abort()


@pytest.fixture
async def echoes() -> AsyncIterator[list[Echo]]:
    started = [await Echo(name).start() for name in ("one", "two")]
    yield started
    for echo in started:
        await echo.stop()


@pytest.fixture
async def line(echoes: list[Echo]) -> AsyncIterator[Line]:
    started = await Line().start(*(echo.url for echo in echoes))
    yield started
    await started.stop()


@pytest.fixture
async def connect(line: Line) -> AsyncIterator[Connect]:
    """Makes connections to the line, and closes them after the test."""
    made: list[Ends] = []

    async def one() -> Ends:
        host, port = line.url.removeprefix("http://").split(":")
        made.append(await asyncio.open_connection(host, int(port)))
        return made[-1]

    yield one
    for _, writer in made:
        writer.transport.abort()


async def said(ends: Ends) -> str:
    async with asyncio.timeout(10):
        return (await ends[0].readline()).decode().strip()


async def ended(ends: Ends) -> bool:
    try:
        async with asyncio.timeout(10):
            return await ends[0].read() == b""
    except ConnectionError:
        return True


async def test_connections_go_to_the_targets_in_turn(line: Line, connect: Connect) -> None:
    assert [await said(await connect()) for _ in range(4)] == ["one", "two", "one", "two"]


async def test_a_target_that_does_not_answer_is_passed_over(
    line: Line, echoes: list[Echo], connect: Connect
) -> None:
    await echoes[0].stop()
    assert [await said(await connect()) for _ in range(3)] == ["two", "two", "two"]


async def test_without_a_target_nobody_gets_through(line: Line, connect: Connect) -> None:
    line.lead_to(None)
    assert await ended(await connect())


async def test_what_is_cut_is_over_at_both_ends(line: Line, echoes: list[Echo], connect: Connect) -> None:
    ends = await connect()
    assert await said(ends) == "one"
    (passage,) = line.passages
    passage.cut()
    assert await ended(ends)
    await until(lambda: _is(echoes[0], 0))


async def test_what_is_left_hanging_is_over_for_the_client_alone(
    line: Line, echoes: list[Echo], connect: Connect
) -> None:
    ends = await connect()
    assert await said(ends) == "one"
    (passage,) = line.passages
    passage.leave_hanging(0.3)
    assert await ended(ends)
    assert echoes[0].open == 1
    await until(lambda: _is(echoes[0], 0))


async def test_what_is_held_comes_later_and_in_order(line: Line, connect: Connect) -> None:
    ends = await connect()
    assert await said(ends) == "one"
    (passage,) = line.passages
    loop = asyncio.get_running_loop()
    passage.hold(0.3)
    begun = loop.time()
    ends[1].write(b"first\nsecond\n")
    assert [await said(ends), await said(ends)] == ["first", "second"]
    assert loop.time() - begun >= 0.3


async def _is(echo: Echo, count: int) -> bool:
    return echo.open == count
