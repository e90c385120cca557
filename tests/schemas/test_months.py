"""The log's monthly parts: making and dropping one stops nobody who publishes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import asyncpg
import pytest

from schemas import months
from schemas.db import Connection, Pool, Session, connect

PUBLISH = (
    "INSERT INTO events (id, accepted_at, type, subject, source, time, data)"
    " VALUES (gen_random_uuid(), now(), 't', 's', 'hub', now(), '{}')"
)
OLD = ("events_2020_01", "event_people_2020_01")


@pytest.fixture
async def reader(database: str) -> AsyncIterator[Session]:
    """A transaction that has read the log and goes on."""
    connection = await connect(database)
    await connection.execute("BEGIN; SELECT count(*) FROM events; SELECT count(*) FROM event_people")
    yield connection
    await connection.close()


async def parts(connection: Connection) -> set[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE NOT inhdetachpending"
        " AND inhparent IN ('events'::regclass, 'event_people'::regclass)"
    )
    return {row["name"] for row in rows}


async def last_month(connection: Connection) -> str:
    today = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    return f"events_{months.month(today, months.AHEAD):%Y_%m}"


async def add_old(connection: Connection) -> None:
    for name in OLD:
        await connection.execute(
            f"CREATE TABLE {name} PARTITION OF {name[:-8]} FOR VALUES FROM ('2020-01-01 00:00:00+00')"
            " TO ('2020-02-01 00:00:00+00')"
        )


async def publish_all_the_while(pool: Pool, work: "asyncio.Task[None]") -> int:
    """Publish again and again until work is done; each must end within 5 seconds."""
    done = 0
    while not work.done() or not done:
        await pool.execute(PUBLISH, timeout=5)
        done += 1
    return done


async def test_a_month_is_made_beside_a_reader_and_nobody_waits(pool: Pool, reader: Session) -> None:
    async with pool.acquire() as connection, asyncio.TaskGroup() as group:
        name = await last_month(connection)
        await reader.execute("COMMIT")
        await connection.execute(f"DROP TABLE {name}")
        await reader.execute("BEGIN; SELECT count(*) FROM events")
        making = group.create_task(months.make(connection))
        assert await publish_all_the_while(pool, making)
    assert name in await parts(reader)


async def test_a_made_month_is_like_the_parent(pool: Pool) -> None:
    async with pool.acquire() as connection:
        name = await last_month(connection)
        assert await connection.fetchval(
            "SELECT count(*) FROM pg_inherits WHERE inhrelid = ($1 || '_pkey')::regclass", name
        )
        checks = "SELECT count(*) FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'"
        assert not await connection.fetchval(checks, name)


async def test_making_again_changes_nothing_and_two_may_make_at_once(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as two:
        before = await parts(one)
        await one.execute(f"DROP TABLE {await last_month(one)}")
        await asyncio.gather(months.make(one), months.make(two))
        assert await parts(one) == before


async def test_an_old_month_is_dropped_and_the_others_stay(pool: Pool) -> None:
    async with pool.acquire() as connection:
        before = await parts(connection)
        await add_old(connection)
        assert await months.oldest(connection) == date(2020, 1, 1)
        assert await months.drop(connection, date(2020, 1, 31)) == []
        assert set(await months.drop(connection, date(2020, 2, 1))) == set(OLD)
        assert await parts(connection) == before
        assert await connection.fetchval("SHOW lock_timeout") == "0"


async def test_a_drop_behind_a_reader_gives_up_stops_nobody_and_is_finished_later(
    pool: Pool, reader: Session
) -> None:
    await reader.execute("COMMIT")
    async with pool.acquire() as connection:
        await add_old(connection)
        await reader.execute("BEGIN; SELECT count(*) FROM events; SELECT count(*) FROM event_people")

        async def dropping() -> None:
            with pytest.raises(asyncpg.LockNotAvailableError):
                await months.drop(connection, date(2020, 2, 1))

        async with asyncio.TaskGroup() as group:
            work = group.create_task(dropping())
            assert await publish_all_the_while(pool, work)
        await reader.execute("COMMIT")
        assert set(await months.drop(connection, date(2020, 2, 1))) == set(OLD)
        assert not (await parts(connection)).intersection(OLD)


async def test_a_part_that_was_detached_but_not_dropped_is_dropped(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await add_old(connection)
        await connection.execute(f"ALTER TABLE events DETACH PARTITION {OLD[0]}")
        assert set(await months.drop(connection, date(2020, 2, 1))) == set(OLD)
        assert await connection.fetchval("SELECT to_regclass($1)", OLD[0]) is None
