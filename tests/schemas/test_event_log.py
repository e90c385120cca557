"""The log's lists: what a page holds, in which order, and that no page reads the whole log."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.db import Pool
from schemas.ids import uuid7
from schemas.listen import Listener
from schemas.store.events import EventLog, list_query

ROWS = 200_000
START = datetime.combine(datetime.now(UTC).date().replace(day=1), datetime.min.time(), UTC)  # noqa: TID251

# A row for each millisecond of this month's beginning; of a hundred subjects and two types.
FILL = """
CREATE TEMP TABLE g AS
SELECT n AS seq, gen_random_uuid() AS id, '{start}'::timestamptz + n * interval '1 ms' AS at,
       's' || n % 100 AS subject, CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'common' END AS type
FROM generate_series(1, {rows}) n;
"""
COPY = """
INSERT INTO events (id, accepted_at, type, subject, source, time, data)
SELECT id, at, type, subject, 'hub', at, '{}' FROM g;
INSERT INTO event_ids SELECT id, at, ''::bytea FROM g WHERE seq <= 20;
INSERT INTO relay_log (seq, partition, prev, event_id, type, subject, accepted_at, relayed_at)
SELECT seq, 0, seq - 1, id, type, subject, at, at + interval '10 ms' FROM g;
INSERT INTO relay_log (seq, push_prev, control, relayed_at)
SELECT max(seq) + 1, 0, '{suspend,bob}', max(at) + interval '1 s' FROM g;
"""


async def fill(pool: Pool, rows: int) -> None:
    async with pool.acquire() as connection:
        await connection.execute(FILL.format(rows=rows, start=START.isoformat()))
        await connection.execute(COPY, timeout=120)
        await connection.execute("DROP TABLE g")


@pytest.fixture
def log(pool: Pool, database: str) -> EventLog:
    return EventLog(pool, Listener(database, "relayed"))


async def wait_in_outbox(pool: Pool, *, type: str = "common", subject: str = "s1") -> UUID:  # noqa: A002
    event_id, at = uuid7(), START + timedelta(days=2)
    await pool.execute(
        "INSERT INTO events (id, accepted_at, type, subject, source, time, data)"
        " VALUES ($1, $2, $3, $4, 'hub', $2, '{}')",
        event_id,
        at,
        type,
        subject,
    )
    await pool.execute("INSERT INTO outbox (event_id, accepted_at) VALUES ($1, $2)", event_id, at)
    return event_id


async def seqs(log: EventLog, **asked: Any) -> list[int | None]:
    return [record.seq for record in await log.page(**asked)]


async def test_pages_go_up_and_down_and_what_waits_is_the_newest(pool: Pool, log: EventLog) -> None:
    await fill(pool, 10)
    first, second = await wait_in_outbox(pool), await wait_in_outbox(pool)
    assert await seqs(log, limit=3) == [1, 2, 3]
    assert await seqs(log, since_seq=8) == [9, 10, None, None]
    assert await seqs(log, newest_first=True, limit=3) == [None, None, 10]
    assert await seqs(log, newest_first=True, before_seq=3) == [2, 1]
    up, down = await log.page(since_seq=10), await log.page(newest_first=True, limit=2)
    assert [record.wire["id"] for record in up] == [str(first), str(second)]
    assert [record.wire["id"] for record in down] == [str(second), str(first)]


async def test_filters_hold_for_the_log_and_for_what_waits(pool: Pool, log: EventLog) -> None:
    await fill(pool, 1000)
    await wait_in_outbox(pool, type="rare", subject="s7")
    assert await seqs(log, type="rare") == [1000, None]
    assert await seqs(log, subject="s7", since_seq=800) == [807, 907, None]
    assert await seqs(log, subject="s7", type="rare") == [None]
    assert await seqs(log, type="rare", before_seq=1001, newest_first=True) == [1000]


async def test_an_instant_is_met_exactly_though_relaying_comes_later(pool: Pool, log: EventLog) -> None:
    await fill(pool, 1000)
    await wait_in_outbox(pool)
    assert await seqs(log, since_time=START + timedelta(milliseconds=999)) == [999, 1000, None]
    assert await seqs(log, since_time=START - timedelta(days=400), limit=2) == [1, 2]
    assert await seqs(log, since_time=START + timedelta(days=1)) == [None]
    assert await seqs(log, since_time=START + timedelta(days=3)) == []


FILTERS: Sequence[Mapping[str, object]] = (
    {},
    {"type": "rare"},
    {"type": "common"},
    {"type": "none at all"},
    {"subject": "s7"},
    {"type": "rare", "subject": "s0"},
    {"since_time": START + timedelta(milliseconds=ROWS // 2)},
    {"since_time": START + timedelta(milliseconds=ROWS - 10)},
    {"type": "rare", "since_time": START + timedelta(milliseconds=ROWS // 2)},
    {"since_seq": 100_000},
    {"before_seq": 100_000},
)


@pytest.mark.slow
async def test_no_page_reads_the_whole_log(pool: Pool) -> None:
    await fill(pool, ROWS)
    await wait_in_outbox(pool)
    await pool.execute(f"ANALYZE events_{START:%Y_%m}; ANALYZE relay_log; ANALYZE outbox")
    async with pool.acquire() as connection:
        # a plan for known values, and the one that a prepared statement gets after some uses
        for mode in ("force_custom_plan", "force_generic_plan"):
            await connection.execute(f"SET plan_cache_mode = {mode}")
            for asked in FILTERS:
                for newest_first in (False, True):
                    query = list_query(tuple(asked), newest_first)
                    plan = await explain(connection, query, 50, *asked.values())
                    scans = [line for line in plan if "Seq Scan on" in line]
                    assert not [scan for scan in scans if "outbox" not in scan], (mode, asked, plan)
                    assert read(plan) < 5000, (mode, asked, plan)
        await connection.execute("RESET plan_cache_mode")


async def explain(connection: Any, query: str, *values: object) -> list[str]:
    """The plan with what it really did."""
    rows = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) {query}", *values)
    return [row[0] for row in rows]


def read(plan: list[str]) -> int:
    """The most rows that any one step gave or threw away."""
    given = [float(line.split("rows=")[1].split()[0]) for line in plan if "rows=" in line]
    removed = [float(line.rsplit(":", 1)[1]) for line in plan if "Rows Removed" in line]
    return int(max(given + removed, default=0))


async def test_a_trace_tells_when_each_group_passed_first(pool: Pool, log: EventLog) -> None:
    await fill(pool, 20)
    await pool.execute("INSERT INTO consumer_positions (grp, partition, seq) VALUES ('g', 0, 20)")
    for seq, minute in ((4, 1), (9, 2), (20, 3)):
        at = START + timedelta(minutes=minute)
        await pool.execute("INSERT INTO consumer_commits VALUES ('g', 0, $1, $2)", seq, at)
    event_id = await pool.fetchval("SELECT event_id FROM relay_log WHERE seq = 5")
    trace = await log.trace(event_id)
    assert trace is not None
    assert trace.groups[0].at == START + timedelta(minutes=2)


async def test_what_another_tells_meanwhile_ends_the_wait(pool: Pool, log: EventLog) -> None:
    waiting = asyncio.ensure_future(log.wait_relayed(0, 20))
    await pool.execute("UPDATE relay_heads SET seq = 1 WHERE stream = 'log'")
    assert await waiting
    assert not await log.wait_relayed(1, 0.01)
