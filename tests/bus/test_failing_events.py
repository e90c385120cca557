"""Events that cannot be handled: they are set aside, only their subject waits, and none is skipped."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bus import parked
from bus.relay import Relay
from bus.retry import Retry
from bus.tasks import cancel, spawn
from schemas.db import Connection, Pool
from schemas.events.base import Event
from tests.bus.conftest import Publish, StartWorker
from tests.bus.groups import all_applied, apply, consumer
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("applied")


async def test_a_failing_event_is_parked_and_only_its_subject_waits(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    healed = asyncio.Event()

    async def picky(tx: Connection, events: Sequence[Event]) -> None:
        if not healed.is_set() and any(event.subject == "content:c1" for event in events):
            raise RuntimeError("c1 is broken")
        await apply(tx, events)

    start(using=consumer(picky, Retry(attempts=1000, first=timedelta(milliseconds=10), factor=1)))
    events = await publish(12, subjects=3)

    async def others_are_done() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT (SELECT count(*) FROM applied) = 8 AND (SELECT count(*) FROM parked) = 4"
            )
        )

    await until(others_are_done)
    waiting = await parked.find(pool, "g", ["parked"], 10)
    assert {event.subject for event in waiting} == {"content:c1"}
    assert [event.attempts > 0 for event in waiting] == [True, False, False, False]
    assert "c1 is broken" in (waiting[0].error or "")
    healed.set()
    await all_applied(pool, events)
    assert await parked.find(pool, "g", ["parked", "dead"], 10) == []


async def test_spent_attempts_make_an_event_dead_and_its_subject_goes_on(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    events = await publish(4, subjects=1)
    broken = events[1].id

    async def picky(tx: Connection, batch: Sequence[Event]) -> None:
        if any(event.id == broken for event in batch):
            raise RuntimeError("never")
        await apply(tx, batch)

    start(using=consumer(picky))

    async def rest_is_done() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = 3 FROM applied"))

    await until(rest_is_done)
    [dead] = await parked.find(pool, "g", ["dead"], 10)
    assert (dead.event_id, dead.attempts) == (str(broken), 3)


async def test_a_redriven_event_is_handled_late(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker
) -> None:
    healed = asyncio.Event()

    async def picky(tx: Connection, batch: Sequence[Event]) -> None:
        if not healed.is_set():
            raise RuntimeError("not yet")
        await apply(tx, batch)

    start(using=consumer(picky))
    events = await publish(1)

    async def dead() -> bool:
        return bool(await parked.find(pool, "g", ["dead"], 1))

    await until(dead)
    healed.set()
    async with pool.acquire() as tx:
        assert await parked.redrive(tx, "g", None) == 1
    await all_applied(pool, events)


@pytest.mark.parametrize(
    "failure",
    [
        FileNotFoundError("a file"),
        TimeoutError(),
        RuntimeError("nul \0 and \ud800 surrogate"),
        "wrong arguments",
    ],
    ids=["os", "time-out", "words that no column holds", "driver"],
)
async def test_whatever_an_event_does_only_its_subject_waits(
    pool: Pool, relaying: Relay, publish: Publish, start: StartWorker, failure: Exception | str
) -> None:
    async def poisoned(tx: Connection, events: Sequence[Event]) -> None:
        if any(event.subject == "content:c1" for event in events):
            if isinstance(failure, Exception):
                raise failure
            await tx.execute("SELECT $1::int", 1, 2)
        await apply(tx, events)

    start(using=consumer(poisoned))
    await publish(40, subjects=20)

    async def dead_and_done() -> bool:
        return bool(
            await pool.fetchval(
                "SELECT (SELECT count(*) FROM applied) = 38"
                " AND (SELECT count(*) FROM parked WHERE state = 'dead') = 2"
            )
        )

    await until(dead_and_done, within_s=60)  # what a driver says is tried again for a while first


async def test_an_event_of_an_unknown_type_is_set_aside_and_not_skipped(
    pool: Pool, relay: Relay, publish: Publish, start: StartWorker
) -> None:
    await publish(1)
    await pool.execute("UPDATE events SET type = 'content.from_the_future'")
    relaying = spawn(relay.run(), name="relay")
    start()

    async def dead() -> bool:
        return bool(await parked.find(pool, "g", ["dead"], 1))

    await until(dead)
    assert await pool.fetchval("SELECT count(*) FROM applied") == 0
    await cancel(relaying)
