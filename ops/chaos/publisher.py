"""Owns the publisher: the same batch again, unchanged, until a gateway has taken it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import aiohttp

from bus.tasks import cancel, spawn
from ops.bench.errors import BenchError
from ops.chaos.mixture import Made, one_of_all
from ops.chaos.truth import Sent

TICK_S: Final = 0.1
LANES: Final = 8
ANSWER_S: Final = 5.0
AGAIN_S: Final = 0.1
TAKEN: Final = 202
LATER: Final = frozenset({429, 503})


class Publisher:
    """Sends a mixture of events at a rate; nothing that it sent is given up."""

    def __init__(self, urls: Sequence[str], token: str, make: Callable[[], Made]) -> None:
        self.sent: list[Sent] = []
        self.repeats = 0
        """How many times a batch was sent again."""
        self.faults: list[str] = []
        self._urls = urls
        self._make = make
        self._headers = {"Authorization": f"Bearer {token}"}
        self._waiting: asyncio.Queue[list[Made]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[Any]] = []

    def start(self, rate: float) -> None:
        self._tasks = [spawn(self._lane(place), name=f"publisher {place}") for place in range(LANES)]
        self._tasks.append(spawn(self._tick(rate), name="publisher"))

    async def stop(self) -> None:
        await cancel(*self._tasks)

    def ensure_well(self) -> None:
        """Raise what ended one of its tasks."""
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()):
                raise error

    async def finish(self, within_s: float) -> None:
        """Make no more events, and wait until all are taken."""
        await cancel(self._tasks.pop())
        await self.send([], within_s)

    async def send(self, events: list[Made], within_s: float) -> None:
        """Send these as one batch, and wait until all are taken."""
        if events:
            self._waiting.put_nowait(events)
        try:
            async with asyncio.timeout(within_s):
                await self._waiting.join()
        except TimeoutError:
            self.ensure_well()
            raise BenchError(f"no gateway took the events within {within_s:.0f} s") from None

    async def _tick(self, rate: float) -> None:
        begun, made = time.monotonic(), 0
        while True:
            due = int((time.monotonic() - begun) * rate)
            if due > made:
                self._waiting.put_nowait([self._make() for _ in range(due - made)])
                made = due
            await asyncio.sleep(TICK_S)

    async def _lane(self, turn: int) -> None:
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        async with aiohttp.ClientSession(headers=self._headers, timeout=timeout) as session:
            while True:
                batch = await self._waiting.get()
                at = time.time() * 1000
                self.sent += [Sent(one.id, one.rooms, at) for one in batch]
                body = [one.wire for one in batch]
                while not await self._post(session, self._urls[turn % len(self._urls)], body):
                    turn += 1
                    self.repeats += 1
                    await asyncio.sleep(AGAIN_S)
                turn += 1
                self._waiting.task_done()

    async def _post(self, session: aiohttp.ClientSession, url: str, body: list[dict[str, Any]]) -> bool:
        try:
            async with session.post(f"{url}/v1/events", json=body) as answer:
                if answer.status not in LATER and answer.status != TAKEN:
                    self.faults.append(f"events were refused with {answer.status}: {await answer.text()}")
                return answer.status == TAKEN
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False  # nobody knows whether it was taken: that is what the ids are for


def mixing(seed: int, users: list[str]) -> Callable[[], Made]:
    """A maker of events."""
    random = Random(seed)  # noqa: S311  it must come out the same again
    return lambda: one_of_all(random, users)
