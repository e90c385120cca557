"""Owns the line between clients and gateways: it can be cut, be down, stall, and lead somewhere else."""

import asyncio
from contextlib import suppress
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from bus.tasks import cancel, spawn

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Passage:
    """One connection through the line."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self._reader = reader
        self._near = writer
        self._far: asyncio.StreamWriter | None = None
        self._held_until = 0.0

    def cut(self) -> None:
        """Break it in the middle: both ends see it."""
        self._near.transport.abort()
        if self._far is not None:
            self._far.transport.abort()

    def hold(self, seconds: float) -> None:
        """Let nothing through for a while, not even an end; then all of it."""
        self._held_until = asyncio.get_running_loop().time() + seconds

    def leave_hanging(self, seconds: float) -> None:
        """Break it for the client; the gateway hears of that only after a while."""
        self.hold(seconds)
        self._near.transport.abort()

    async def serve(self, target: Ends) -> None:
        """Carry bytes both ways until it breaks or an end is closed."""
        far_reader, self._far = target
        with suppress(OSError):  # that is what cutting looks like
            await asyncio.gather(self._pump(self._reader, self._far), self._pump(far_reader, self._near))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            await self._released()
            writer.write(chunk)
            await writer.drain()
        await self._released()
        writer.close()

    async def _released(self) -> None:
        held_s = self._held_until - asyncio.get_running_loop().time()
        if held_s > 0:
            await asyncio.sleep(held_s)


class Line:
    """A TCP proxy on loopback; with several targets, connections go to them in turn."""

    def __init__(self) -> None:
        self.url = ""
        self.passages: set[Passage] = set()
        self._targets: list[tuple[str, int]] = []
        self._numbers = count(1)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, *targets: str) -> "Line":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        self.lead_to(*targets)
        return self

    async def stop(self) -> None:
        assert self._server is not None  # noqa: S101  it was started
        self._server.close()
        await asyncio.sleep(0)  # whoever came in just now is known after this
        self.cut()
        await cancel(*self._tasks)
        await self._server.wait_closed()

    def lead_to(self, *urls: str | None) -> None:
        """Connect to these addresses from now on; nobody gets through without one."""
        parts = [urlsplit(url) for url in urls if url]
        self._targets = [(str(part.hostname), int(part.port or 0)) for part in parts]

    def cut(self) -> None:
        """Break all connections in the middle."""
        for passage in tuple(self.passages):
            passage.cut()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = Passage(next(self._numbers), reader, writer)
        self.passages.add(passage)
        task = spawn(self._serve(passage), name="line")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, passage: Passage) -> None:
        try:
            if target := await self._connect():
                await passage.serve(target)
        finally:
            self.passages.discard(passage)
            passage.cut()

    async def _connect(self) -> Ends | None:
        """Reach the next target that answers; None if none does."""
        for target in tuple(self._targets):
            if target in self._targets:  # the next connection goes to another one
                self._targets.remove(target)
                self._targets.append(target)
            with suppress(OSError):
                return await asyncio.open_connection(*target)
        return None
