"""Owns waiting for PostgreSQL's notifications: they are wake-ups only; the tables are the truth."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg

from schemas.db import connect

POLL_S = 1.0  # a notification may be lost with its connection: look again after this long
RECONNECT_S = 0.5
CHECK_S = 5.0


class Listener:
    """Listens on one channel with a connection of its own."""

    def __init__(self, dsn: str, channel: str) -> None:
        self._dsn = dsn
        self._channel = channel
        self._bell = asyncio.Event()  # rung once, then replaced: whoever holds it misses nothing

    async def listen(self) -> None:
        """Listen until the connection breaks: answers, or raises one of RETRYABLE; then call it again."""
        connection = await connect(self._dsn)
        rung = asyncio.Event()
        try:
            await connection.add_listener(self._channel, lambda *_: rung.set())
            connection.add_termination_listener(lambda *_: rung.set())
            while not connection.is_closed():
                rung.clear()
                self._ring()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CHECK_S):
                        await rung.wait()
                if not rung.is_set():
                    # notices a server that is gone without a word
                    await connection.execute("SELECT 1", timeout=CHECK_S)
        finally:
            with contextlib.suppress(OSError, TimeoutError, asyncpg.InterfaceError):
                await connection.close(timeout=1)

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()

    async def wait_for(self, true: Callable[[], Awaitable[bool]], within_s: float) -> bool:
        """Wait until `true()`; it is asked at once, after each notification, and every second."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            bell = self._bell  # taken first: a wake-up while `true()` is asked counts, too
            if await true():
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, POLL_S)):
                    await bell.wait()
