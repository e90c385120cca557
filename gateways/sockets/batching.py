"""Owns gathering many small questions into few large ones: while one is under way the next collects."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from bus.tasks import spawn

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Answer = TypeVar("Answer")


class Batcher(Generic[Key, Value, Answer]):
    """Calls `work` with at most `most` items at a time, one call after the other, first come first served.

    Of two items with the same key only the later is taken along, in the earlier's turn, and both callers
    get its answer. What `work` raises is raised to all whose items were in that call.
    """

    def __init__(
        self, work: Callable[[Mapping[Key, Value]], Awaitable[Mapping[Key, Answer]]], *, name: str, most: int
    ) -> None:
        self._work = work
        self._name = name
        self._most = most
        self._waiting: dict[Key, tuple[Value, asyncio.Future[Answer | None]]] = {}
        self._under_way: dict[Key, tuple[Value, asyncio.Future[Answer | None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, key: Key, value: Value) -> asyncio.Future[Answer | None]:
        """Ask without waiting for the answer."""
        _, future = self._waiting.get(key) or (None, asyncio.get_running_loop().create_future())
        self._waiting[key] = (value, future)
        if self._task is None:
            self._task = spawn(self._run(), name=self._name)
            self._task.add_done_callback(self._stopped)
        return future

    async def ask(self, key: Key, value: Value) -> Answer | None:
        """Ask; None where `work` answered nothing for the key."""
        return await asyncio.shield(self.put(key, value))  # who gives up leaves it to the others

    async def flush(self) -> None:
        """Wait until everything that was put so far is done; what failed is left to those who asked."""
        pending = [future for _, future in (*self._under_way.values(), *self._waiting.values())]
        if pending:
            await asyncio.wait(pending)

    async def _run(self) -> None:
        while self._waiting:
            keys = list(islice(self._waiting, self._most))
            self._under_way = {key: self._waiting.pop(key) for key in keys}
            await self._work_off()
        self._task = None

    def _stopped(self, task: asyncio.Task[None]) -> None:
        """Answer those who still wait when the task was cancelled, perhaps before it began."""
        if self._task is not task:
            return  # it has come to its end
        self._task = None
        for _, future in (*self._under_way.values(), *self._waiting.values()):
            if not future.done():
                _fail(future, ConnectionAbortedError(f"{self._name} was stopped before there was an answer"))
        self._under_way, self._waiting = {}, {}

    async def _work_off(self) -> None:
        items = self._under_way
        try:
            answers = await self._work({key: value for key, (value, _) in items.items()})
        except Exception as error:  # noqa: BLE001  it belongs to those who asked
            for _, future in items.values():
                _fail(future, error)
        else:
            for key, (_, future) in items.items():
                future.set_result(answers.get(key))
        self._under_way = {}


def _fail(future: asyncio.Future[Answer | None], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # seen: who did not wait for it has nothing to do about it
