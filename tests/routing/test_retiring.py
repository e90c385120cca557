"""Addresses that are gone: what came is on record first, then they are given up, whatever interrupts that."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bus.tasks import spawn
from routing.errors import EndpointGoneError
from schemas.db import Pool
from schemas.store.notifications import Notifications
from tests.routing.house import House
from tests.routing.post import EMAIL, Post, email_at, statuses, tipped, tips
from tests.routing.scripted import TELEGRAM, Plain, Scripted, with_chat
from tests.waiting import until

GONE = EndpointGoneError("nobody is there")
INTERRUPT = """
SELECT bool_or(pg_cancel_backend(pid)) FROM pg_locks
WHERE locktype = 'advisory' AND NOT granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

Send = Callable[[], Awaitable[None]]


async def _in_a_set(database: str, pool: Pool) -> AsyncIterator[Send]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    await with_chat(house, "ann", "42")
    await house.told(*tips(["ann"]))
    yield Post(house, Scripted(lambda _: GONE), writer=Plain()).turn
    await house.end()


async def _in_a_batch(database: str, pool: Pool) -> AsyncIterator[Send]:
    house = await House(database, pool, channels=EMAIL).begin()
    post = Post(house, channel := email_at("http://127.0.0.1:1", house.clock))
    await tipped(post, "ann")
    batch = await post.batches._store(100)
    assert batch
    yield lambda: post.batches._settle(batch, [GONE])
    await channel.close()
    await house.end()


@pytest.fixture(params=[_in_a_set, _in_a_batch], ids=["in a set", "in a batch"])
async def send(request: pytest.FixtureRequest, database: str, pool: Pool) -> AsyncIterator[Send]:
    async for made in request.param(database, pool):
        yield made


@asynccontextmanager
async def reading(pool: Pool, user: str) -> AsyncIterator[None]:
    """Somebody is changing their inbox."""
    async with pool.acquire() as tx, tx.transaction():
        await Notifications().seize(tx, user)
        yield


async def state(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT state FROM endpoints"))


async def test_what_came_is_on_record_while_an_inbox_is_waited_for(pool: Pool, send: Send) -> None:
    async with reading(pool, "ann"):
        sending = spawn(send(), name="sending")  # type: ignore[arg-type]
        await until(lambda: pool.fetchval("SELECT status = 'failed' FROM deliveries"))
        assert await state(pool) == "active"
    await sending
    assert await statuses(pool) == {"ann": ("failed", "gone")}
    assert await state(pool) == "retired"


async def test_what_interrupts_it_does_not_keep_an_address_that_is_gone(pool: Pool, send: Send) -> None:
    async with reading(pool, "ann"):
        sending = spawn(send(), name="sending")  # type: ignore[arg-type]
        await until(lambda: pool.fetchval(INTERRUPT))
    await sending
    assert await statuses(pool) == {"ann": ("failed", "gone")}
    assert await state(pool) == "retired"
    assert await pool.fetchval("SELECT count(*) FROM consent WHERE NOT allowed") == 1
