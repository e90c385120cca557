"""The rows of verifications: of an endpoint the last one counts, and who asks for one at a time waits."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.users import Users
from schemas.store.verifications import Verification, Verifications

NOW = SystemClock().now()
STORE = Verifications()


async def added(pool: Pool, endpoint: UUID, **members: Any) -> Verification:
    given = {"user_id": "ann", "channel": "email", "address": "ann@example.com", "created_at": NOW, **members}
    one = Verification(id=uuid7(), endpoint_id=endpoint, expires_at=NOW + timedelta(minutes=10), **given)
    async with pool.acquire() as tx, tx.transaction():
        await STORE.add(tx, one)
    return one


async def endpoint_of(pool: Pool, user: str, state: str = "pending") -> UUID:
    await Users().greet(pool, user, name=None, tz=None)
    new = NewEndpoint(id=uuid7(), user_id=user, channel="email", address=f"{user}@example.com", state=state)
    return (await Endpoints().put(pool, new, NOW)).id


async def wanted(pool: Pool, *ones: Verification, at: timedelta = timedelta()) -> list[UUID]:
    return [one.id for one in await STORE.wanted(pool, [one.id for one in ones], NOW + at)]


async def test_what_was_added_is_found_again(pool: Pool) -> None:
    one = await added(pool, uuid7(), quiet=True)
    assert await STORE.get(pool, one.id) == one
    assert await STORE.get(pool, uuid7()) is None


async def test_only_the_last_one_of_an_endpoint_that_waits_is_wanted(pool: Pool) -> None:
    waiting, active = await endpoint_of(pool, "ann"), await endpoint_of(pool, "bob", "active")
    first = await added(pool, waiting, created_at=NOW - timedelta(minutes=1))
    assert await wanted(pool, first) == [first.id]
    second = await added(pool, waiting)
    proved = await added(pool, active, user_id="bob")
    stranger = await added(pool, waiting, user_id="bob", created_at=NOW - timedelta(minutes=2))
    assert await wanted(pool, first, second, proved, stranger) == [second.id]
    assert await wanted(pool, second, at=timedelta(minutes=10)) == []
    async with pool.acquire() as tx, tx.transaction():
        await STORE.use(tx, second.id, NOW)
    assert await wanted(pool, first, second) == []


async def test_what_was_never_sent_is_not_wanted_and_does_not_count_for_the_address(pool: Pool) -> None:
    waiting = await endpoint_of(pool, "ann")
    sent = await added(pool, waiting, created_at=NOW - timedelta(minutes=1))
    quiet = await added(pool, waiting, quiet=True)
    assert await wanted(pool, sent, quiet) == []
    earlier = [("ann", NOW - timedelta(minutes=1))]
    assert await STORE.sent_to(pool, "email", "ann@example.com", NOW - timedelta(hours=1)) == earlier
    assert await STORE.sent_to(pool, "email", "ann@example.com", NOW - timedelta(seconds=30)) == []
    assert len(await STORE.asked(pool, "ann", NOW - timedelta(hours=1))) == 2


async def test_the_last_of_each_endpoint_is_found_by_person(pool: Pool) -> None:
    one, other = uuid7(), uuid7()
    await added(pool, one, created_at=NOW - timedelta(minutes=1))
    last, theirs = await added(pool, one), await added(pool, other)
    await added(pool, uuid7(), user_id="bob")
    assert await STORE.last_of_each(pool, "ann", NOW - timedelta(hours=1)) == {one: last, other: theirs}
    assert await STORE.last_of_each(pool, "ann", NOW) == {}


async def test_tries_at_the_same_moment_are_seen_one_after_the_other(pool: Pool) -> None:
    one = await added(pool, uuid7())

    async def miss() -> int:
        async with pool.acquire() as tx, tx.transaction():
            last = await STORE.take_latest(tx, one.endpoint_id)
            assert last is not None
            await STORE.miss(tx, last.id)
            return last.tries

    assert sorted(await asyncio.gather(*(miss() for _ in range(6)))) == list(range(6))
