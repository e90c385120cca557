"""Owns the monthly parts of the log: made ahead of time, dropped when retention says so.

Nothing here may stop a publish. `CREATE TABLE … PARTITION OF` and `DROP TABLE` lock the whole log, and a
publish would queue behind them while they queue behind a long reader; ATTACH and DETACH CONCURRENTLY don't.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from functools import partial
from typing import Final

import asyncpg

from schemas.db import Connection

TABLES: Final = ("events", "event_people")
AHEAD: Final = 3
LOCK: Final = 4_829_333
PATIENCE: Final = "1s"  # whoever reads the part itself may have to wait behind us for this long
ATTEMPTS: Final = 5

PARTS: Final = """
SELECT c.relname AS name, i.inhparent::regclass::text AS parent, i.inhdetachpending AS half_detached
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  AND c.relname ~ ('^(' || array_to_string($1::text[], '|') || ')_[0-9]{4}_[0-9]{2}$')
ORDER BY 1
"""


async def make(connection: Connection) -> None:
    """Make the parts of this month and the next ones; repeated, it does nothing.

    Raises asyncpg.LockNotAvailableError when something else changes the log's shape all the while.
    """
    await _patiently(partial(_make, connection))


async def _make(connection: Connection) -> None:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        known = {row["name"] for row in await connection.fetch(PARTS, list(TABLES))}
        today = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        for first in (month(today, ahead) for ahead in range(AHEAD + 1)):
            for table in TABLES:
                if f"{table}_{first:%Y_%m}" not in known:
                    await _add(connection, table, first)


async def _add(connection: Connection, table: str, first: date) -> None:
    name = f"{table}_{first:%Y_%m}"
    await connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    await connection.execute(  # the new part is empty: there is nothing to check in it
        f"ALTER TABLE {table} ATTACH PARTITION {name}"
        f" FOR VALUES FROM ('{first} 00:00:00+00') TO ('{month(first, 1)} 00:00:00+00')"
    )


async def drop(connection: Connection, before: date) -> list[str]:
    """Drop the parts whose events are all older than the month of a day; answers their names.

    Outside any transaction. What an earlier, interrupted attempt left half done is finished.
    """
    dropped = []
    await connection.execute(f"SET lock_timeout = '{PATIENCE}'")
    try:
        for row in await connection.fetch(PARTS, list(TABLES)):
            if row["name"][-7:] < f"{before:%Y_%m}":
                await _patiently(partial(_drop, connection, row["name"]))
                dropped.append(row["name"])
    finally:
        await connection.execute("RESET lock_timeout")
    return dropped


async def _drop(connection: Connection, name: str) -> None:
    # looked up anew: an attempt that was broken off has come as far as `half_detached`
    parts = {row["name"]: row for row in await connection.fetch(PARTS, list(TABLES))}
    if (part := parts.get(name)) and part["parent"]:
        how = "FINALIZE" if part["half_detached"] else "CONCURRENTLY"
        await connection.execute(f"ALTER TABLE {part['parent']} DETACH PARTITION {name} {how}")
    await connection.execute(f"DROP TABLE IF EXISTS {name}")


async def oldest(connection: Connection) -> date | None:
    """Answer the first day of the oldest month that the log still has."""
    rows = await connection.fetch(PARTS, ["events"])
    found = [row["name"][-7:] for row in rows if row["parent"] and not row["half_detached"]]
    return date(int(found[0][:4]), int(found[0][5:]), 1) if found else None


async def _patiently(work: Callable[[], Awaitable[None]]) -> None:
    """Try again what gave way to somebody else's lock."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await work()
        except asyncpg.LockNotAvailableError:
            continue
    return await work()


def month(day: date, ahead: int) -> date:
    """Answer the first day of the month that many months after a day's."""
    months = day.year * 12 + day.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)
