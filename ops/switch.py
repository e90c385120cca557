"""Owns which worker gets a connection: the one that holds its session, else the one with the fewest.

The first line of the request is looked at and left where it is; then the connection itself is passed on.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from bus.tasks import spawn

log = structlog.get_logger(__name__)

AT_A_TIME: Final = 100
LINE_BYTES: Final = 8192  # a longer one is refused by every worker
HEAD_S: Final = 10.0
AGAIN_S: Final = 0.02
LONGEST_AGAIN_S: Final = 1.0
NO_FILES_S: Final = 1.0
MOST_SILENT: Final = 4096
"""How many connections may wait for their first line; then the oldest of them is cut."""
SESSION: Final = re.compile(rb"[?&]sid=(\d{1,9})-")


class Taker(Protocol):
    """A worker."""

    def give(self, connection: socket.socket) -> bool:
        """Pass a connection on; False if it cannot be taken just now."""
        ...


class Switch:
    """Accepts connections; `choose` answers who may take one, given the number of a worker or None.

    They are asked in that order until one takes it.
    """

    def __init__(self, listening: socket.socket, choose: Callable[[int | None], Iterable[Taker]]) -> None:
        self._listening = listening
        self._choose = choose
        self._placing: dict[asyncio.Task[None], None] = {}
        self._pause: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Accept from now on; the socket listens already."""
        self._listening.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Take nothing more; who has not said anything yet is cut."""
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        for task in self._placing:
            task.cancel()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no connection can be accepted", error=str(error))
                loop = asyncio.get_running_loop()
                loop.remove_reader(self._listening)
                self._pause = loop.call_later(NO_FILES_S, self._listen)
                return
            connection.setblocking(False)
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        if len(self._placing) >= MOST_SILENT:
            next(iter(self._placing)).cancel()
        task = spawn(self._place(connection), name="connection")
        self._placing[task] = None
        task.add_done_callback(self._placing.pop)

    async def _place(self, connection: socket.socket) -> None:
        with connection, suppress(TimeoutError, OSError):  # who takes it has one of its own
            async with asyncio.timeout(HEAD_S):
                line = await _first_line(connection)
                while line and not self._give(line, connection):  # noqa: ASYNC110  it depends on processes
                    await asyncio.sleep(AGAIN_S)

    def _give(self, line: bytes, connection: socket.socket) -> bool:
        found = SESSION.search(line)
        takers = self._choose(int(found[1]) if found else None)
        return any(taker.give(connection) for taker in takers)


async def _first_line(connection: socket.socket) -> bytes:
    """Look at the first line without taking it; empty if there is nobody any more."""
    pause = AGAIN_S
    while True:
        try:
            seen = connection.recv(LINE_BYTES, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(connection)
            continue
        line, end, _ = seen.partition(b"\n")
        if not seen or end or len(seen) >= LINE_BYTES:
            return line
        await asyncio.sleep(pause)  # what is there already keeps it readable
        pause = min(2 * pause, LONGEST_AGAIN_S)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    some = asyncio.Event()
    loop.add_reader(connection, some.set)
    try:
        await some.wait()
    finally:
        loop.remove_reader(connection)
