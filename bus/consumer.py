"""Owns a group's work on one partition: effects and position are committed together, exactly once.

Order: the events of one subject are handled one after the other, in the order of their numbers. An event
whose handler fails is parked, and later events of its subject park behind it; everything else goes on.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final, TypeAlias

import asyncpg
import orjson
import structlog

from bus import parked, telemetry
from bus.base import Entry
from bus.log import RelayLog
from bus.positions import Lease, LostLeaseError, advance, hold
from bus.retry import Retry
from schemas.db import Connection, Pool
from schemas.events.base import Event
from schemas.events.registry import REGISTRY, UnknownEventTypeError

log = structlog.get_logger(__name__)

DUE_AT_A_TIME: Final = 20
RUN: Final = 100
GIVES_WAY: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,
)

Handler: TypeAlias = Callable[[Connection, Sequence[Event]], Awaitable[None]]
Reset: TypeAlias = Callable[[Connection, datetime | None], Awaitable[datetime | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A group and its handlers.

    A handler gets consecutive events of its types in order and works only in the transaction it is
    given; what must happen outside becomes rows that have their own keys. `reset` marks a group that may
    be rebuilt from the log: it forgets from an instant on and answers where to begin again.
    """

    group: str
    handlers: Mapping[type[Event], Handler]
    retry: Retry = field(default_factory=Retry)
    reset: Reset | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One event to handle, as far as it could be read."""

    seq: int
    subject: str
    event: Event | None
    handler: Handler | None
    error: str | None = None


class PartitionWork:
    """One group on one partition, as long as the lease lasts."""

    def __init__(self, consumer: Consumer, lease: Lease, pool: Pool) -> None:
        self._consumer = consumer
        self._lease = lease
        self._pool = pool

    async def handle(self, entries: Sequence[Entry], before: int) -> int:
        """Handle entries that follow position `before`; answers the new position.

        Raises LostLeaseError when another worker took over, and what PostgreSQL raises while it is away;
        in both cases nothing was done.
        """
        jobs = [self._job(entry) for entry in entries if entry.fields]
        after = entries[-1].seq
        try:
            await self._commit(jobs, before, after, at_once=not any(job.error for job in jobs))
        except LostLeaseError:
            raise
        except Exception as error:  # noqa: BLE001  whatever it was, the second way finds the culprit
            log.info("a batch failed: now one by one", group=self._consumer.group, error=repr(error))
            await self._commit(jobs, before, after, at_once=False)
        telemetry.HANDLED.labels(self._consumer.group).inc(len(jobs))
        return after

    async def _commit(self, jobs: Sequence[Job], before: int, after: int, *, at_once: bool) -> None:
        """Handle what the group wants of a batch in one transaction; `at_once` as if nothing could fail."""
        wanted = [job for job in jobs if job.handler or job.error]
        if not wanted:  # a single statement is a transaction of its own
            async with self._pool.acquire() as tx:
                await advance(tx, self._lease, before, after)
            return
        async with self._pool.acquire() as tx, tx.transaction():
            await advance(tx, self._lease, before, after)
            waiting = await parked.blocked(tx, self._lease, {job.subject for job in wanted})
            if waiting or not at_once:
                await self._one_by_one(tx, wanted, waiting)
                return
            for handler, events in _runs(wanted):
                await handler(tx, events)

    async def retry_parked(self) -> bool:
        """Make the attempts that are due; answers whether there were any."""
        found = await parked.due(self._pool, self._lease, DUE_AT_A_TIME)
        for first in found:
            await self._retry(first.subject)
        return bool(found)

    async def _retry(self, subject: str) -> None:
        """Handle a subject's parked events in their order, up to the first that fails again."""
        async with self._pool.acquire() as tx, tx.transaction():
            await hold(tx, self._lease)
            for waiting in await parked.run_of(tx, self._lease, subject, RUN):
                job = self._job(await RelayLog(tx).one(waiting.seq))
                if error := await self._attempt(tx, job):
                    await self._park(tx, job.seq, subject, waiting.attempts + 1, error)
                    return
                await parked.settle(tx, self._lease, waiting.seq)

    def _job(self, entry: Entry) -> Job:
        wire = orjson.loads(entry.fields[1] if entry.fields else b"null")
        if wire is None:
            return Job(entry.seq, "", None, None, "retention took the event before it was handled")
        try:
            event = REGISTRY.decode(wire)
        except (UnknownEventTypeError, ValueError) as error:
            return Job(entry.seq, wire["subject"], None, None, f"{type(error).__name__}: {error}")
        return Job(entry.seq, event.subject, event, self._consumer.handlers.get(type(event)))

    async def _one_by_one(self, tx: Connection, jobs: Sequence[Job], waiting: set[str]) -> None:
        """Handle each event for itself; park what fails, and what waits behind it."""
        for job in jobs:
            if job.subject in waiting:
                await self._park(tx, job.seq, job.subject, 0, "waits behind an earlier event of its subject")
            elif error := await self._attempt(tx, job):
                await self._park(tx, job.seq, job.subject, 1, error)
                waiting.add(job.subject)

    async def _attempt(self, tx: Connection, job: Job) -> str | None:
        """Handle one event; answers what went wrong, with its effects undone."""
        if job.error is not None or job.handler is None or job.event is None:
            return job.error
        try:
            async with tx.transaction():
                await job.handler(tx, [job.event])
        except Exception as error:
            if tx.is_closed() or isinstance(error, GIVES_WAY):
                raise  # not the event's fault
            log.exception(
                "an event failed", group=self._consumer.group, seq=job.seq, event_id=str(job.event.id)
            )
            return f"{type(error).__name__}: {error}"
        return None

    async def _park(self, tx: Connection, seq: int, subject: str, attempts: int, error: str) -> None:
        retry = self._consumer.retry
        if attempts:
            telemetry.GROUP_ERRORS.labels(self._consumer.group).inc()
        if retry.spent(attempts):
            wait = None
            log.error("an event is dead", group=self._consumer.group, seq=seq, attempts=attempts, error=error)
        else:
            wait = retry.delay(attempts) if attempts else retry.delay(1) * 0
        words = error.encode("utf-8", "replace").decode().replace("\0", "")  # what a text column can hold
        await parked.park(tx, self._lease, seq, subject, attempts=attempts, wait=wait, error=words)


def _runs(jobs: Sequence[Job]) -> Iterator[tuple[Handler, list[Event]]]:
    """Part events into the longest runs that one handler takes, so that no event overtakes another."""
    for handler, run in groupby(jobs, key=lambda job: job.handler):
        if handler is not None:
            yield handler, [job.event for job in run if job.event is not None]
