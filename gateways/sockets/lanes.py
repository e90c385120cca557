"""Owns the order in which one connection's packets are handled."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from bus.tasks import spawn

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


class Lanes:
    """Work of one lane is done in order, lanes beside each other, and all together hold `width` pieces.

    Who brings more waits in `put`: the connection is not read meanwhile, and its client slows down.
    """

    __slots__ = ("_lanes", "_room", "_tasks")

    def __init__(self, width: int) -> None:
        self._room = asyncio.Semaphore(width)
        self._lanes: dict[str, deque[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, lane: str, work: Work) -> None:
        await self._room.acquire()
        if lane in self._lanes:
            self._lanes[lane].append(work)
            return
        self._lanes[lane] = deque([work])
        task = spawn(self._run(lane), name=f"socket lane {lane}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, lane: str) -> None:
        waiting = self._lanes[lane]
        while waiting:
            try:
                await waiting.popleft()()
            except Exception:
                log.exception("a packet could not be handled", lane=lane)
            finally:
                self._room.release()
        del self._lanes[lane]

    async def finish(self) -> None:
        """Wait until all that was put is done; nothing new may come meanwhile."""
        if self._tasks:
            await asyncio.wait(self._tasks)
