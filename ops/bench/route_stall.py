"""Owns the measurement of what others feel of a walk: tips one by one past a worker that walks."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final
from uuid import UUID

import orjson
import psutil

from bus.base import PushEntry
from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.tasks import cancel, spawn
from ops.bench.children import Child
from ops.bench.errors import BenchError
from ops.bench.hubs import Hub
from ops.bench.results import Figures
from ops.bench.route_figures import Tips, TipsBeside
from ops.bench.route_hall import Hall
from ops.bench.servers import START_SECONDS
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import HoursTipped
from schemas.events.notifications import NotificationCreated

_NEEDLE: Final = f'"{NotificationCreated.name}"'.encode()
_LAST_S: Final = 5
_PATIENCE_S: Final = 300
_LOOK_S: Final = 0.02


class Worker(Hub):
    """`hub work` as it is shipped."""

    @contextmanager
    def working(self, cores: frozenset[int]) -> Iterator[Child]:
        with self._role("work", cores) as child:
            yield child
            child.ensure_alive()


class Tipping:
    """Publishes tips, and listens as a gateway does for the notifications that they become."""

    def __init__(self, hall: Hall, rate: float, people: int) -> None:
        self._hall = hall
        self._outbox = Outbox(hall.pool)
        self._rate = rate
        self._people = people
        self._accepted: dict[UUID, float] = {}
        self._heard: dict[UUID, float] = {}
        self._news = asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        begun = asyncio.Event()
        tail = PushTail(self._hall.bus, self._hall.pool)
        task = spawn(tail.run(self._listen, lambda _: begun.set()), name="bench tail")
        try:
            await begun.wait()
            yield
        finally:
            await cancel(task)

    def _listen(self, entries: Sequence[PushEntry]) -> None:
        now = time.monotonic()
        for entry in entries:
            for target in entry.targets:
                if entry.accepted is None and _NEEDLE in target.packet:
                    for event_id in orjson.loads(target.packet)[1]["data"]["event_ids"]:
                        self._heard.setdefault(UUID(event_id), now)
        self._news.set()

    async def publish(self, event: Event) -> None:
        async with self._hall.pool.acquire() as tx, tx.transaction():
            await self._outbox.add(tx, event)
        self._outbox.wake()

    async def first(self) -> None:
        """Wait until a tip comes through: then relay, groups and streams are at work."""
        deadline = time.monotonic() + START_SECONDS
        while not self._heard:
            if time.monotonic() > deadline:
                raise BenchError(f"no tip came through `hub work` within {START_SECONDS} s")
            await self._tip(1)
            await asyncio.sleep(1 / self._rate)
        await self._rest()

    async def go_on(self, enough: Callable[[], bool]) -> tuple[list[float], int]:
        """Publish at the pace until it is enough; answers how long each took, and how many there were."""
        self._accepted.clear()
        self._heard.clear()
        start = time.monotonic()
        for number in itertools.count():
            if enough():
                break
            await asyncio.sleep(max(0.0, start + number / self._rate - time.monotonic()))
            await self._tip(number)
        await self._rest()
        waits = [self._heard[tip] - at for tip, at in self._accepted.items() if tip in self._heard]
        return waits, len(self._accepted)

    async def _tip(self, number: int) -> None:
        tip = HoursTipped(to=f"u{number * 7919 % self._people + 1:07}", amount=100, actor="bench")
        await self.publish(tip)
        self._accepted[tip.id] = time.monotonic()

    async def _rest(self) -> None:
        """Wait for what is still on its way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_S):
                while not self._accepted.keys() <= self._heard.keys():
                    self._news.clear()
                    await self._news.wait()


class Growth:
    """The most memory that a process had since this began, beyond what it had then."""

    def __init__(self, child: Child) -> None:
        self._processes = [psutil.Process(pid) for pid in child.pids()]
        self._before = self._most = self._now()

    def _now(self) -> int:
        return sum(process.memory_info().rss for process in self._processes)

    async def watch(self) -> None:
        while True:
            self._most = max(self._most, self._now())
            await asyncio.sleep(_LOOK_S)

    @property
    def megabytes(self) -> float:
        return (self._most - self._before) / 1e6


async def stalls(
    hall: Hall, child: Child, *, rate: float, seconds: float, people: int, few: int
) -> tuple[Figures, ...]:
    """Tips alone, and beside a walk through everybody; a walk through a few has warmed the worker up."""
    tipping = Tipping(hall, rate, people)
    async with tipping.listening():
        await tipping.first()
        await _beside(hall, tipping, child, "few", few)
        end = time.monotonic() + seconds
        waits, published = await tipping.go_on(lambda: time.monotonic() > end)
        alone = Tips(name="tips alone", **Tips.members(waits, published))
        return alone, await _beside(hall, tipping, child, "bench", people)


async def _beside(hall: Hall, tipping: Tipping, child: Child, author: str, expected: int) -> TipsBeside:
    event = ContentCreated(content_id="bench", author=author, kind="post", title="Measured")
    growth, began = Growth(child), time.monotonic()
    await tipping.publish(event)
    watching = spawn(growth.watch(), name="bench memory")
    walking = spawn(_walked(hall, event), name="bench walk")
    try:
        waits, published = await tipping.go_on(walking.done)
        seconds = await walking - began
    finally:
        await cancel(watching, walking)
    told = await hall.pool.fetchval("SELECT count(*) FROM decisions WHERE event_id = $1", event.id)
    return TipsBeside(
        name="tips beside a walk",
        **Tips.members(waits, published),
        expected=expected,
        told=told,
        seconds=seconds,
        growth_mb=growth.megabytes,
    )


async def _walked(hall: Hall, event: Event) -> float:
    """Answer when the walk was over."""
    done = "SELECT count(*) FROM walks WHERE event_id = $1 AND state <> 'open'"
    deadline = time.monotonic() + _PATIENCE_S
    while not await hall.pool.fetchval(done, event.id):
        if time.monotonic() > deadline:
            raise BenchError(f"the walk took longer than {_PATIENCE_S} s")
        await asyncio.sleep(_LOOK_S)
    return time.monotonic()
