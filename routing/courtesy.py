"""Owns who goes first in one process: what was just published, or a walk through an audience."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Courtesy:
    """Lets a walk wait while single people are told, but never for long: it shall come to its end, too."""

    def __init__(self) -> None:
        self._busy = 0
        self._free = asyncio.Event()
        self._free.set()

    @contextmanager
    def urgent(self) -> Iterator[None]:
        """Who walks gives way to what is done within."""
        self._busy += 1
        self._free.clear()
        try:
            yield
        finally:
            self._busy -= 1
            if not self._busy:
                self._free.set()

    async def give_way(self, at_most_s: float) -> None:
        """Wait until nothing urgent is under way, but no longer than so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s):
                await self._free.wait()
