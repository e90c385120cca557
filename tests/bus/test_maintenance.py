"""The hourly work: retention never takes what is still needed, and what it takes is not miscounted."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from bus import maintenance, parked, telemetry
from bus.base import PushEntry
from bus.gauges import measure
from bus.log import RelayLog
from bus.maintenance import Maintenance
from bus.positions import Lease, lock_group, rewind
from bus.tasks import cancel, spawn
from schemas import months
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.events.content import ContentLiked
from schemas.ids import uuid7
from schemas.store import stats
from tests.waiting import until

LEASE = Lease("g", 0, 0, 0)
NOW = SystemClock().now()
OLD = (NOW - timedelta(days=70)).replace(day=10, hour=12, minute=0, second=0, microsecond=0)
MONTH = months.month(OLD.date(), 0)


@pytest.fixture
async def old_month(pool: Pool) -> None:
    for table in months.TABLES:
        await pool.execute(
            f"CREATE TABLE {table}_{MONTH:%Y_%m} PARTITION OF {table} FOR VALUES"
            f" FROM ('{MONTH} 00:00:00+00') TO ('{months.month(MONTH, 1)} 00:00:00+00')"
        )


@pytest.fixture
def hourly(pool: Pool) -> Maintenance:
    return Maintenance(pool, SystemClock(), timedelta(days=31))


async def accept(pool: Pool, at: datetime) -> UUID:
    event_id = uuid7()
    await pool.execute(
        "WITH known AS (INSERT INTO event_ids VALUES ($1, $2, ''))"
        "INSERT INTO events (id, accepted_at, type, subject, source, time, data)"
        " VALUES ($1, $2, 'content.liked', 's', 'hub', $2, '{}')",
        event_id,
        at,
    )
    return event_id


async def relay(pool: Pool, seq: int, at: datetime, relayed_at: datetime | None = None) -> UUID:
    event_id = await accept(pool, at)
    await pool.execute(
        "INSERT INTO relay_log (seq, partition, prev, event_id, type, subject, accepted_at, relayed_at)"
        " VALUES ($1::bigint, 0, $1::bigint - 1, $2, 'content.liked', 's', $3, $4)",
        seq,
        event_id,
        at,
        relayed_at or at,
    )
    return event_id


async def stand_at(pool: Pool, seq: int) -> None:
    await pool.execute(
        "INSERT INTO consumer_positions (grp, partition, seq) VALUES ('g', 0, $1)"
        " ON CONFLICT (grp, partition) DO UPDATE SET seq = $1",
        seq,
    )


async def left(pool: Pool) -> list[int]:
    tables = ("events", "event_ids", "relay_log")
    return [await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_what_is_old_and_handled_goes_and_the_rest_stays(
    pool: Pool, old_month: None, hourly: Maintenance
) -> None:
    await relay(pool, 1, OLD)
    await relay(pool, 2, NOW)
    await stand_at(pool, 2)
    await hourly.sweep()
    assert await left(pool) == [1, 1, 1]
    await hourly.sweep()
    assert await left(pool) == [1, 1, 1]


async def test_retention_waits_for_the_slowest_group(
    pool: Pool, old_month: None, hourly: Maintenance
) -> None:
    await relay(pool, 1, OLD)
    await relay(pool, 2, OLD)
    await stand_at(pool, 1)
    await hourly.sweep()
    assert await left(pool) == [2, 2, 2]
    await stand_at(pool, 2)
    await hourly.sweep()
    assert await left(pool) == [0, 0, 0]


async def test_retention_waits_for_what_is_parked(pool: Pool, old_month: None, hourly: Maintenance) -> None:
    await relay(pool, 1, OLD)
    await stand_at(pool, 1)
    await park(pool, 1, "s", dead=False)
    await hourly.sweep()
    assert await left(pool) == [1, 1, 1]


async def test_retention_never_takes_what_waits_in_the_outbox(
    pool: Pool, old_month: None, hourly: Maintenance
) -> None:
    event_id = await accept(pool, OLD)
    await pool.execute("INSERT INTO outbox (event_id, accepted_at) VALUES ($1, $2)", event_id, OLD)
    await hourly.sweep()
    assert await left(pool) == [1, 1, 0]


async def test_two_sweeps_at_once_do_the_work_once(pool: Pool, old_month: None, hourly: Maintenance) -> None:
    await relay(pool, 1, OLD)
    await stand_at(pool, 1)
    async with pool.acquire() as other:
        await other.execute("SELECT pg_advisory_lock($1)", maintenance.LOCK)
        await hourly.sweep()
        assert await left(pool) == [1, 1, 1]
        await other.execute("SELECT pg_advisory_unlock($1)", maintenance.LOCK)
    await asyncio.gather(hourly.sweep(), hourly.sweep())
    assert await left(pool) == [0, 0, 0]
    assert not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")


async def test_a_sweep_that_failed_is_repeated_soon_and_one_that_worked_is_not(
    hourly: Maintenance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "AGAIN_S", 0.001)
    attempts, looks = 0, 0

    async def sweep() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise asyncpg.LockNotAvailableError("somebody else")

    due = hourly._sweep_when_due

    async def look() -> None:
        nonlocal looks
        looks += 1
        await due()

    monkeypatch.setattr(hourly, "sweep", sweep)
    monkeypatch.setattr(hourly, "_sweep_when_due", look)
    keeping = spawn(hourly.keep(), name="maintenance")

    async def looked_often() -> bool:
        return looks > 10

    await until(looked_often)
    await cancel(keeping)
    assert attempts == 3


async def park(pool: Pool, seq: int, subject: str, *, dead: bool) -> None:
    async with pool.acquire() as tx:
        wait = None if dead else timedelta()
        await parked.park(tx, LEASE, seq, subject, attempts=1, wait=wait, error="broken")


async def test_a_dead_event_is_still_listed_when_retention_took_it(
    pool: Pool, old_month: None, hourly: Maintenance
) -> None:
    await relay(pool, 1, OLD)
    kept = await relay(pool, 2, NOW)
    await stand_at(pool, 2)
    await park(pool, 1, "s", dead=True)
    await park(pool, 2, "s", dead=True)
    await hourly.sweep()
    found = await parked.find(pool, "g", ["dead"], 10)
    assert [(one.seq, one.event_id, one.type) for one in found] == [
        (1, None, None),
        (2, str(kept), "content.liked"),
    ]


async def test_words_for_the_gateways_are_forgotten_after_a_day(pool: Pool, hourly: Maintenance) -> None:
    for seq, hours in ((1, 25), (2, 23)):
        await pool.execute(
            "INSERT INTO relay_log (seq, push_prev, control, relayed_at)"
            " VALUES ($1::bigint, $1::bigint - 1, '{suspend,bob}', now() - make_interval(hours => $2))",
            seq,
            hours,
        )
    await hourly.sweep()
    entries = [PushEntry.from_entry(entry) for entry in await RelayLog(pool).push(0, 10)]
    assert [(entry.seq, entry.controls) for entry in entries] == [(1, ()), (2, (("suspend", "bob"),))]


async def test_proofs_and_what_the_bot_was_told_are_forgotten_in_time(
    pool: Pool, hourly: Maintenance
) -> None:
    for number, hours in enumerate((25, 23)):
        await pool.execute(
            "INSERT INTO verifications (id, user_id, endpoint_id, channel, address, created_at, expires_at)"
            " VALUES (gen_random_uuid(), 'ann', gen_random_uuid(), 'sms', '', now(),"
            " now() - make_interval(hours => $1))",
            hours,
        )
        await pool.execute(
            "INSERT INTO telegram_links VALUES ($1, 'ann', now(), now() - make_interval(hours => $2))",
            bytes([number]),
            hours,
        )
    for number, (state, days) in enumerate(
        (("done", 4), ("done", 2), ("dead", 31), ("dead", 29), ("open", 90)), start=1
    ):
        await pool.execute(
            "INSERT INTO telegram_updates (update_id, body, state, received_at)"
            " VALUES ($1, '{}', $2, now() - make_interval(days => $3))",
            number,
            state,
            days,
        )
    await hourly.sweep()
    assert await pool.fetchval("SELECT count(*) FROM verifications") == 1
    assert await pool.fetchval("SELECT count(*) FROM telegram_links") == 1
    left = await pool.fetch("SELECT update_id FROM telegram_updates ORDER BY update_id")
    assert [row["update_id"] for row in left] == [2, 4, 5]


async def test_retention_takes_digests_that_were_sent_with_their_items(
    pool: Pool, hourly: Maintenance
) -> None:
    for closed_at in (OLD, NOW, None):
        await pool.execute(
            "WITH d AS (INSERT INTO digests (id, user_id, channel, endpoint_id, kind, state, due_at,"
            " opened_at, closed_at)"
            " VALUES ($1, 'ann', 'email', $1, 'scheduled', $2, $3, $3, $4) RETURNING id)"
            " INSERT INTO digest_items SELECT id, id, id, 'likes', $3 FROM d",
            uuid7(),
            "closed" if closed_at else "open",
            OLD,
            closed_at,
        )
    await hourly.sweep()
    assert await pool.fetchval("SELECT count(*) FROM digests") == 2
    assert await pool.fetchval("SELECT count(*) FROM digest_items") == 2
    await Maintenance(pool, SystemClock(), None).sweep()
    assert await pool.fetchval("SELECT count(*) FROM digests") == 2


async def counted(pool: Pool) -> dict[str, int]:
    return {str(row["day"]): row["count"] for row in await pool.fetch("SELECT day, count FROM stats_daily")}


async def count_all(pool: Pool) -> None:
    """Count as the group does: the events that the log still has, from the group's position on."""
    async with pool.acquire() as tx, tx.transaction():
        rows = await tx.fetch(
            "SELECT e.id FROM relay_log r JOIN events e ON e.id = r.event_id WHERE r.seq >"
            " (SELECT seq FROM consumer_positions WHERE grp = 'g') ORDER BY r.seq"
        )
        await stats.count(tx, [ContentLiked(id=row["id"], content_id="c", author="ann") for row in rows])
        await tx.execute("UPDATE consumer_positions SET seq = (SELECT max(seq) FROM relay_log)")


async def replay(pool: Pool, since: datetime | None) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await lock_group(tx, "g")
        await rewind(tx, "g", await stats.reset(tx, since))
    await count_all(pool)


async def test_a_replay_counts_every_day_the_log_has_and_leaves_the_others_alone(
    pool: Pool, old_month: None, hourly: Maintenance
) -> None:
    cut = datetime.combine(months.month(MONTH, 1), datetime.min.time(), UTC)
    await pool.execute(
        f"CREATE TABLE events_{cut:%Y_%m} PARTITION OF events"
        f" FOR VALUES FROM ('{cut:%Y-%m-%d} 00:00:00+00') TO ('{months.month(MONTH, 2)} 00:00:00+00')"
    )
    await relay(pool, 1, OLD)
    # accepted before the month ended, numbered after: that day cannot be counted again, but the next can
    await relay(pool, 2, cut - timedelta(seconds=1), cut + timedelta(seconds=1))
    await relay(pool, 3, cut + timedelta(hours=1))
    await relay(pool, 4, cut + timedelta(days=1))
    await relay(pool, 5, cut + timedelta(days=2))
    await stand_at(pool, 0)
    await count_all(pool)
    before = await counted(pool)
    assert sum(before.values()) == 5
    await replay(pool, None)
    assert await counted(pool) == before
    retention = timedelta(days=(NOW - cut).days - 10)
    await Maintenance(pool, SystemClock(), retention).sweep()
    assert await left(pool) == [3, 3, 4]
    for since in (None, OLD, cut, cut + timedelta(days=2)):
        await replay(pool, since)
        assert await counted(pool) == before
    await pool.execute("TRUNCATE relay_log")  # as after months in which nothing happened
    async with pool.acquire() as tx:
        await stats.reset(tx, None)
    assert await counted(pool) == before


async def test_of_each_subject_only_the_first_is_due_and_a_run_is_read_in_order(pool: Pool) -> None:
    for seq in (5, 3, 4):
        await park(pool, seq, "a", dead=False)
    await park(pool, 2, "b", dead=True)
    await park(pool, 6, "b", dead=False)
    await park(pool, 1, "c", dead=False)
    await pool.execute("UPDATE parked SET due_at = now() + interval '1 hour' WHERE subject = 'c'")
    assert [(one.seq, one.subject) for one in await parked.due(pool, LEASE, 10)] == [(3, "a"), (6, "b")]
    assert [one.seq for one in await parked.due(pool, LEASE, 1)] == [3]
    async with pool.acquire() as tx:
        assert [one.seq for one in await parked.run_of(tx, LEASE, "a", 2)] == [3, 4]
        assert [one.seq for one in await parked.run_of(tx, LEASE, "c", 2)] == [1]


async def test_what_waits_behind_an_event_is_not_read_to_find_it(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO parked (grp, seq, partition, subject, due_at)"
        " SELECT 'g', n, 0, 'subject ' || n % 3, now() FROM generate_series(1, 20000) n"
    )
    await pool.execute("ANALYZE parked")
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) "
    plan = [row[0] for row in await pool.fetch(explain + parked.NEXT, "g", 0, 20)]
    assert not [line for line in plan if "Seq Scan on" in line], plan
    assert max(float(line.split("rows=")[1].split()[0]) for line in plan if "rows=" in line) < 10, plan


async def test_the_gauges_tell_what_waits_and_what_is_dead(pool: Pool, hourly: Maintenance) -> None:
    await stand_at(pool, 9)
    for seq, dead in ((1, True), (2, False), (3, False)):
        await park(pool, seq, "s", dead=dead)
    await measure(pool)
    read = telemetry.REGISTRY.get_sample_value
    assert read("hub_parked_events", {"group": "g"}) == 2
    assert read("hub_dead_events", {"group": "g"}) == 1
