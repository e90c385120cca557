"""Owns the line between clients and gateways: it can be cut, be down, and lead somewhere else."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from bus.tasks import cancel, spawn


class Line:
    """A TCP proxy on loopback."""

    def __init__(self) -> None:
        self.url = ""
        self._target: tuple[str, int] | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, target: str) -> "Line":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        self.lead_to(target)
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # whoever came in just now is known after this
        self.cut()
        await cancel(*self._tasks)
        await self._server.wait_closed()

    def lead_to(self, url: str | None) -> None:
        """Connect to this address from now on; nobody gets through without one."""
        parts = urlsplit(url or "")
        self._target = (str(parts.hostname), int(parts.port or 0)) if url else None

    def cut(self) -> None:
        """Break all connections in the middle."""
        for writer in self._writers:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        task = spawn(self._serve(reader, writer), name="line")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = {writer}
        try:
            if self._target is not None:
                far_reader, far_writer = await asyncio.open_connection(*self._target)
                ends.add(far_writer)
                self._writers.add(far_writer)
                await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        except OSError:
            return  # that is what cutting looks like
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
    writer.close()
