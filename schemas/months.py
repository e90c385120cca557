"""Owns the monthly parts of the log: made ahead of time, dropped when retention says so."""

from datetime import date
from typing import Final

from schemas.db import Connection, Source

TABLES: Final = ("events", "event_people")
AHEAD: Final = 3
LOCK: Final = 4_829_333


async def make(tx: Connection) -> None:
    """Make the parts of this month and the next ones, in a transaction: a publish must never wait for one."""
    await tx.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
    today = await tx.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    for ahead in range(AHEAD + 1):
        first, end = month(today, ahead), month(today, ahead + 1)
        for table in TABLES:
            await tx.execute(
                f"CREATE TABLE IF NOT EXISTS {table}_{first:%Y_%m} PARTITION OF {table}"
                f" FOR VALUES FROM ('{first} 00:00:00+00') TO ('{end} 00:00:00+00')"
            )


async def drop(source: Source, before: date) -> list[str]:
    """Drop the parts whose events are all older than the month of a day; answers their names."""
    rows = await source.fetch(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = ANY($1::regclass[]) ORDER BY 1",
        list(TABLES),
    )
    dropped = [row["relname"] for row in rows if row["relname"][-7:] < f"{before:%Y_%m}"]
    for name in dropped:
        await source.execute(f"DROP TABLE {name}")
    return dropped


def month(day: date, ahead: int) -> date:
    """Answer the first day of the month that many months after a day's."""
    months = day.year * 12 + day.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)
