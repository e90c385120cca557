"""Owns a group's part in this process: holds leases, and runs one task for each partition held."""

import asyncio
from collections.abc import Collection
from typing import Final, TypeVar

import structlog

from bus.base import Bus, BusError, Entry, PushEntry, events_stream
from bus.consumer import Consumer, PartitionWork
from bus.log import RelayLog
from bus.positions import Lease, LostLeaseError, Positions
from bus.seldom import Seldom
from bus.tasks import cancel, forever, spawn
from schemas.db import RETRYABLE, Pool

log = structlog.get_logger(__name__)

LEASE_S: Final = 6.0
BATCH: Final = 200
BLOCK_MS: Final = 1000
LOOK_S: Final = 0.5  # how often parked events are looked for
PAUSE_S: Final = 0.2
AWAY_S: Final = 3.0


class GroupWorker:
    """Runs one group beside any number of workers of the same group, here or on other machines."""

    def __init__(
        self,
        consumer: Consumer,
        *,
        worker: str,
        pool: Pool,
        bus: Bus,
        partitions: int,
        lease_s: float = LEASE_S,
    ) -> None:
        self._consumer = consumer
        self._pool = pool
        self._bus = bus
        self._partitions = partitions
        self._beat_s = lease_s / 3
        self._positions = Positions(consumer.group, worker, lease_s)
        self._away = Away()
        self._say_waits, self._say_away = Seldom(log), Seldom(log)
        self._tasks: dict[int, tuple[Lease, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Work for ever; when cancelled, finish nothing new and give the partitions back."""
        try:
            await forever(self._beat, name=f"group {self._consumer.group}", pause_s=self._beat_s)
        finally:
            await cancel(*(task for _, task in self._tasks.values()))
            try:
                await self._positions.release(self._pool, range(self._partitions))
                await self._positions.leave(self._pool)
            except RETRYABLE as error:
                log.warning("leases are left to run out", group=self._consumer.group, error=str(error))

    async def _beat(self) -> None:
        await self._positions.prepare(self._pool, self._partitions)
        held = await self._positions.renew(self._pool)
        share = await self._positions.share(self._pool, self._partitions)
        if surplus := held[share:]:
            await self._stop([lease.partition for lease in surplus])
            await self._positions.release(self._pool, [lease.partition for lease in surplus])
        elif len(held) < share:
            held += await self._positions.claim(self._pool, share - len(held))
        held = held[:share]
        await self._stop(set(self._tasks) - {lease.partition for lease in held})
        for lease in held:
            await self._start(lease)

    async def _start(self, lease: Lease) -> None:
        known = self._tasks.get(lease.partition)
        if known and known[0].epoch == lease.epoch and not known[1].done():
            return
        await self._stop([lease.partition])
        task = spawn(self._work(lease), name=f"{lease.group}/{lease.partition}")
        self._tasks[lease.partition] = (lease, task)

    async def _stop(self, partitions: Collection[int]) -> None:
        found = [self._tasks.pop(partition)[1] for partition in partitions if partition in self._tasks]
        await cancel(*found)

    async def _work(self, lease: Lease) -> None:
        """Read and handle until the lease is lost; a broken connection is waited out.

        A new lease begins with the log: what it holds may have been trimmed from the stream long ago.
        """
        work = PartitionWork(self._consumer, lease, self._pool)
        position, behind = lease.seq, True
        loop, next_look = asyncio.get_running_loop(), 0.0
        while True:
            try:
                retried = False
                if loop.time() >= next_look:
                    retried = await work.retry_parked()
                    next_look = loop.time() + (0 if retried else LOOK_S)
                if behind:
                    entries = await RelayLog(self._pool).events(lease.partition, position, BATCH)
                    behind = bool(entries)
                else:
                    entries = await self._read(lease.partition, position, block_ms=1 if retried else BLOCK_MS)
                if entries:
                    position = await work.handle(entries, position)
            except LostLeaseError as error:
                log.info("a partition went to another worker", reason=str(error))
                return
            except RETRYABLE as error:
                self._say_waits("a group waits", group=lease.group, error=f"{type(error).__name__}: {error}")
                await asyncio.sleep(PAUSE_S)

    async def _read(self, partition: int, position: int, *, block_ms: int) -> list[Entry]:
        """Read what follows a position: from the stream, and from the log where the stream has a gap."""
        relay_log = RelayLog(self._pool)
        if self._away.now():
            await asyncio.sleep(PAUSE_S)
            return await relay_log.events(partition, position, BATCH)
        try:
            entries = await self._bus.read(events_stream(partition), position, count=BATCH, block_ms=block_ms)
        except BusError as error:
            self._away.note()
            self._say_away("a group reads the log itself", group=self._consumer.group, error=str(error))
            return await relay_log.events(partition, position, BATCH)
        # Nothing from a stream may also mean that nobody can write to it: the log knows.
        return unbroken(entries, position) or await relay_log.events(partition, position, BATCH)


Followed = TypeVar("Followed", Entry, PushEntry)


class Away:
    """Remembers that the stream server did not answer, so that not every read waits for it."""

    def __init__(self, for_s: float = AWAY_S) -> None:
        self._for_s = for_s
        self._until = 0.0

    def note(self) -> None:
        """It did not answer."""
        self._until = asyncio.get_running_loop().time() + self._for_s

    def now(self) -> bool:
        """Say whether it is still too early to ask again."""
        return asyncio.get_running_loop().time() < self._until


def unbroken(entries: list[Followed], position: int) -> list[Followed]:
    """Answer the entries up to the first gap: each must name the one before it."""
    for index, entry in enumerate(entries):
        if entry.prev != position:
            return entries[:index]
        position = entry.seq
    return entries
