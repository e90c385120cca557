"""Listening to signals: who hears nothing asks whether the line still lives, and takes another if not."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from bus import redis_servers
from bus.base import Bus, Target
from bus.redis_streams import RedisBus
from bus.signals import Signals
from bus.tasks import cancel, spawn
from tests.waiting import until


@dataclass
class Line:
    """A TCP proxy whose connections may go dead: they stay open, and nothing comes through any more."""

    target: tuple[str, int]
    opened: int = 0
    dead: set[int] = field(default_factory=set)
    sent: bytes = b""
    """What the clients have said."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self.opened = self.opened, self.opened + 1
        far_reader, far_writer = await asyncio.open_connection(*self.target)
        try:
            await asyncio.gather(
                self._pump(number, reader, far_writer, heard=True),
                self._pump(number, far_reader, writer, heard=False),
            )
        finally:
            far_writer.transport.abort()
            writer.transport.abort()

    async def _pump(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, heard: bool
    ) -> None:
        while chunk := await reader.read(65_536):
            if number not in self.dead:
                self.sent += chunk if heard else b""
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def die(self) -> None:
        """Let all connections go dead; who comes anew gets through."""
        self.dead = set(range(self.opened))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_servers, "QUIET_S", 0.05)
    monkeypatch.setattr(redis_servers, "TIMEOUT_S", 1.0)


@pytest.fixture
async def line(redis_url: str) -> Line:
    parts = urlsplit(redis_url)
    return Line((str(parts.hostname), int(parts.port or 0)))


@pytest.fixture
async def heard(impatient: None, redis_url: str, line: Line) -> AsyncIterator[list[Target]]:
    """What a gateway hears that is connected by the line."""
    server = await asyncio.start_server(line.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    there = RedisBus(redis_url.replace("{}:{}".format(*line.target), f"{host}:{port}"), prefix="test")
    targets: list[Target] = []
    listening = spawn(Signals(there).run(targets.append), name="signals")
    yield targets
    await cancel(listening)
    await there.close()
    server.close()


async def wait_heard(bus: Bus, heard: list[Target], name: str) -> None:
    """Publish until it is heard: what is told while nobody listens is lost."""

    async def comes_through() -> bool:
        await Signals(bus).publish("/feed", ["feed"], name, {})
        return any(target.packet.startswith(f'["{name}"'.encode()) for target in heard)

    await until(comes_through)


async def test_a_dead_line_is_noticed_and_replaced(bus: Bus, line: Line, heard: list[Target]) -> None:
    await wait_heard(bus, heard, "before")
    line.die()
    await wait_heard(bus, heard, "after")


async def test_a_quiet_line_that_lives_is_kept(bus: Bus, line: Line, heard: list[Target]) -> None:
    await wait_heard(bus, heard, "before")
    opened = line.opened

    async def asked_often() -> bool:
        return line.sent.count(b"PING") >= 5

    await until(asked_often)
    await wait_heard(bus, heard, "after")
    assert line.opened == opened
