"""What tests of groups share: a handler that leaves a row for each event, and what the rows must say."""

from collections.abc import Sequence
from datetime import timedelta

from bus.consumer import Consumer, Handler
from bus.retry import Retry
from schemas.db import Connection, Pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from tests.waiting import until

QUICK = Retry(attempts=3, first=timedelta(milliseconds=10), factor=1)


async def apply(tx: Connection, events: Sequence[Event]) -> None:
    await tx.executemany(
        "INSERT INTO applied (id, subject) VALUES ($1, $2)", [(event.id, event.subject) for event in events]
    )


def consumer(handler: Handler = apply, retry: Retry = QUICK) -> Consumer:
    return Consumer(group="g", handlers={ContentLiked: handler}, retry=retry)


async def all_applied(pool: Pool, events: Sequence[Event]) -> None:
    async def done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM applied", len(events)))

    await until(done)
    await assert_once_and_in_order(pool, events)


async def assert_once_and_in_order(pool: Pool, events: Sequence[Event]) -> None:
    rows = await pool.fetch("SELECT id, subject FROM applied ORDER BY n")
    assert len(rows) == len(events)
    for subject in {event.subject for event in events}:
        assert [r["id"] for r in rows if r["subject"] == subject] == [
            e.id for e in events if e.subject == subject
        ]
