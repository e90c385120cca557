"""When a group passed where: bounded in number, and true for every event that the log has."""

from datetime import datetime, timedelta

import pytest

from bus import commits
from bus.commits import forget_after, merge
from bus.maintenance import Maintenance
from bus.positions import lock_group, rewind
from schemas.clock import SystemClock
from schemas.db import Pool

HOUR = SystemClock().now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)


async def passed(pool: Pool, seq: int, at: datetime, group: str = "g", partition: int = 0) -> None:
    await pool.execute("INSERT INTO consumer_commits VALUES ($1, $2, $3, $4)", group, partition, seq, at)


async def left(pool: Pool) -> list[tuple[str, int, int]]:
    rows = await pool.fetch("SELECT grp, partition, seq FROM consumer_commits ORDER BY 1, 2, 3")
    return [(row["grp"], row["partition"], row["seq"]) for row in rows]


async def test_of_each_second_the_last_commit_of_a_group_and_partition_is_left(pool: Pool) -> None:
    for seq, at_ms in ((1, 0), (2, 400), (3, 999), (4, 1000), (5, 59_999), (6, 60_000)):
        await passed(pool, seq, HOUR + timedelta(milliseconds=at_ms))
    await passed(pool, 1, HOUR, partition=1)
    await passed(pool, 2, HOUR, group="h")
    until = await merge(pool, None)
    assert await left(pool) == [("g", 0, 3), ("g", 0, 4), ("g", 0, 5), ("g", 0, 6), ("g", 1, 1), ("h", 0, 2)]
    assert await merge(pool, until) == await merge(pool, None)
    assert len(await left(pool)) == 6


async def test_what_was_handled_is_told_to_the_second_after_merging(pool: Pool) -> None:
    handled = {seq: HOUR + timedelta(milliseconds=170 * seq) for seq in range(1, 60)}
    for seq, at in handled.items():
        await passed(pool, seq, at)
    await merge(pool, None)
    assert len(await left(pool)) == 11
    for seq, at in handled.items():
        told = await pool.fetchval(
            "SELECT at FROM consumer_commits WHERE grp = 'g' AND seq >= $1 ORDER BY seq LIMIT 1",
            seq,
        )
        assert at <= told < at.replace(microsecond=0) + timedelta(seconds=1)


async def test_commits_of_the_last_hour_and_from_long_ago_are_left_alone(pool: Pool) -> None:
    now = SystemClock().now()
    for seq, at in ((1, HOUR - timedelta(days=2)), (2, HOUR - timedelta(days=2)), (3, now), (4, now)):
        await passed(pool, seq, at)
    await merge(pool, None)
    assert [seq for _, _, seq in await left(pool)] == [1, 2, 3, 4]


async def test_maintenance_merges(pool: Pool) -> None:
    for seq in (1, 2, 3):
        await passed(pool, seq, HOUR)
    hourly = Maintenance(pool, SystemClock(), None)
    await hourly.sweep()
    assert await left(pool) == [("g", 0, 3)]
    for seq in (4, 5):
        await passed(pool, seq, SystemClock().now() - timedelta(minutes=59))
    await hourly.sweep()
    assert [seq for _, _, seq in await left(pool)] == [3, 4, 5]


async def test_a_rewound_group_forgets_in_steps_what_it_passed_after_the_instant(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "AT_A_TIME", 2)
    for partition in (0, 1):
        await pool.execute("INSERT INTO consumer_positions VALUES ('g', $1, 9)", partition)
        for seq in range(1, 8):
            await passed(pool, seq, HOUR, partition=partition)
    await passed(pool, 7, HOUR, group="h")
    async with pool.acquire() as tx, tx.transaction():
        await forget_after(tx, "g", 3)
    assert await left(pool) == [*(("g", p, seq) for p in (0, 1) for seq in (1, 2, 3)), ("h", 0, 7)]
    async with pool.acquire() as tx, tx.transaction():
        await lock_group(tx, "g")
        await rewind(tx, "g", None)
    assert await left(pool) == [("h", 0, 7)]
