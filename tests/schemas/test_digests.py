"""The rows of digests: one open for each endpoint and kind, whoever appends, closes or forgets."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.digests import Digests, Kind, NewItem

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HERE, THERE = UUID(int=1), UUID(int=2)
STORE = Digests()


def item(endpoint: UUID = HERE, kind: Kind = "scheduled", hours: float = 1, user: str = "ann") -> NewItem:
    event = uuid7()
    return NewItem(user, "email", endpoint, kind, NOW + timedelta(hours=hours), event, event, "likes")


async def add(pool: Pool, *items: NewItem) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await STORE.add(tx, items, NOW)


async def close(pool: Pool, now: datetime, limit: int = 100) -> list[UUID]:
    async with pool.acquire() as tx, tx.transaction():
        return [one.endpoint_id for one in await STORE.close(tx, now, limit)]


async def sizes(pool: Pool) -> dict[tuple[UUID, str], int]:
    rows = await pool.fetch(
        "SELECT endpoint_id, kind, count(*) FROM digests d JOIN digest_items i ON i.digest_id = d.id"
        " WHERE state = 'open' GROUP BY 1, 2"
    )
    return {(row["endpoint_id"], row["kind"]): row["count"] for row in rows}


async def test_each_endpoint_and_kind_has_one_open_digest(pool: Pool) -> None:
    await add(pool, item(), item(), item(kind="spacing"), item(THERE))
    await add(pool, item())
    assert await sizes(pool) == {(HERE, "scheduled"): 3, (HERE, "spacing"): 1, (THERE, "scheduled"): 1}


async def test_a_digest_leaves_when_the_first_of_its_items_wants_it(pool: Pool) -> None:
    await add(pool, item(hours=5), item(hours=3), item(hours=4))
    await add(pool, item(hours=9))
    assert await STORE.next_due(pool) == NOW + timedelta(hours=3)
    await add(pool, item(hours=2))
    assert await STORE.next_due(pool) == NOW + timedelta(hours=2)
    assert await close(pool, NOW + timedelta(hours=1)) == []
    assert await close(pool, NOW + timedelta(hours=2)) == [HERE]
    assert await STORE.next_due(pool) is None


async def test_the_longest_due_are_closed_first(pool: Pool) -> None:
    await add(pool, *[item(UUID(int=n), hours=n, user=f"u{n}") for n in range(5)])
    assert [sorted(await close(pool, NOW + timedelta(days=1), 2)) for _ in range(3)] == [
        [UUID(int=0), UUID(int=1)],
        [UUID(int=2), UUID(int=3)],
        [UUID(int=4)],
    ]


async def test_who_appends_while_a_digest_is_closed_waits_and_opens_the_next(pool: Pool) -> None:
    await add(pool, item(hours=0))
    async with pool.acquire() as tx:
        closing = tx.transaction()
        await closing.start()
        assert len(await STORE.close(tx, NOW, 10)) == 1
        appending = asyncio.ensure_future(add(pool, item()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.shield(appending)
        await closing.commit()
        await appending
    assert await sizes(pool) == {(HERE, "scheduled"): 1}
    assert await pool.fetchval("SELECT count(*) FROM digests") == 2


async def test_who_appends_while_a_closing_is_taken_back_appends_to_the_same(pool: Pool) -> None:
    await add(pool, item(hours=0))
    async with pool.acquire() as tx:
        closing = tx.transaction()
        await closing.start()
        [closed] = await STORE.close(tx, NOW, 10)
        appending = asyncio.ensure_future(add(pool, item(hours=9)))
        await STORE.open_again(tx, [(closed.id, NOW + timedelta(hours=8))])
        await closing.commit()
        await appending
    assert await sizes(pool) == {(HERE, "scheduled"): 2}
    assert await STORE.next_due(pool) == NOW + timedelta(hours=8)


async def test_writers_that_append_to_the_same_endpoints_in_any_order_do_not_deadlock(pool: Pool) -> None:
    endpoints = [UUID(int=n) for n in range(40)]
    await asyncio.gather(
        *(add(pool, *[item(one) for one in (endpoints if n % 2 else endpoints[::-1])]) for n in range(10))
    )
    assert set((await sizes(pool)).values()) == {10}
    assert await pool.fetchval("SELECT count(*) FROM digests") == 40


async def test_a_digest_that_is_forgotten_takes_its_items_along(pool: Pool) -> None:
    await add(pool, item(), item(THERE, user="bob"))
    await pool.execute("DELETE FROM digests WHERE user_id = 'ann'")
    assert await pool.fetchval("SELECT count(*) FROM digest_items") == 1


async def test_who_is_forgotten_while_something_is_appended_leaves_nothing_behind(pool: Pool) -> None:
    await add(pool, item())
    async with pool.acquire() as tx:
        appending = tx.transaction()
        await appending.start()
        await STORE.add(tx, [item()], NOW)
        forgetting = asyncio.ensure_future(pool.execute("DELETE FROM digests WHERE user_id = 'ann'"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await asyncio.shield(forgetting)
        await appending.commit()
        await forgetting
    assert await pool.fetchval("SELECT count(*) FROM digest_items") == 0


async def test_it_is_known_which_digest_an_event_went_into(pool: Pool) -> None:
    first, second = item(hours=0), item()
    await add(pool, first)
    await close(pool, NOW)
    await add(pool, second)
    events = [first.event_id, second.event_id, uuid7()]
    found = await STORE.carriers(pool, ["ann", "bob"], events, NOW)
    assert {key: one.state for key, one in found.items()} == {
        (first.event_id, "ann", HERE): "closed",
        (second.event_id, "ann", HERE): "open",
    }


async def test_what_left_before_an_event_was_decided_about_is_not_looked_at(pool: Pool) -> None:
    old = item(hours=0)
    await add(pool, old)
    await close(pool, NOW)
    await add(pool, item())
    assert await STORE.carriers(pool, ["ann"], [old.event_id], NOW + timedelta(hours=1)) == {}


async def test_an_event_that_was_taken_along_is_gathered_once(pool: Pool) -> None:
    await add(pool, first := item())
    async with pool.acquire() as tx, tx.transaction():
        [one] = await STORE.gathering(tx, "ann")
        await STORE.take_along(tx, one.id, "email", THERE)
    await add(pool, replace(first, endpoint_id=THERE), item(THERE))
    assert await sizes(pool) == {(THERE, "scheduled"): 2}
