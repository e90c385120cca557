"""Owns what must happen now and then: months ahead, retention, and the gauges that operators watch."""

from datetime import timedelta
from typing import Final

import structlog

from bus import telemetry
from bus.tasks import forever
from schemas import months
from schemas.clock import Clock
from schemas.db import Pool

log = structlog.get_logger(__name__)

HOUR_S: Final = 3600.0
WATCH_S: Final = 5.0
AT_A_TIME: Final = 10_000

OUTBOX: Final = """
SELECT count(*) AS entries,
       coalesce(extract(epoch FROM clock_timestamp() - min(accepted_at)), 0)::float8 AS age FROM outbox
"""
LAG: Final = """
SELECT p.grp,
       sum((SELECT count(*) FROM (SELECT 1 FROM relay_log r
            WHERE r.partition = p.partition AND r.seq > p.seq LIMIT 10000) few))::bigint AS events
FROM consumer_positions p GROUP BY p.grp
"""
ASIDE: Final = """
SELECT p.grp, count(k.seq) FILTER (WHERE k.state = 'parked') AS parked,
       count(k.seq) FILTER (WHERE k.state = 'dead') AS dead
FROM (SELECT DISTINCT grp FROM consumer_positions) p
LEFT JOIN parked k ON k.grp = p.grp AND k.state IN ('parked', 'dead') GROUP BY p.grp
"""


class Maintenance:
    """Runs beside the relay; any number of processes may run it, each step may be repeated."""

    def __init__(self, pool: Pool, clock: Clock, retention: timedelta | None) -> None:
        self._pool = pool
        self._clock = clock
        self._retention = retention

    async def keep(self) -> None:
        """Make months and apply retention, every hour for ever."""
        await forever(self.sweep, name="maintenance", pause_s=HOUR_S)

    async def watch(self) -> None:
        """Renew the gauges for ever."""
        await forever(self.measure, name="gauges", pause_s=WATCH_S)

    async def sweep(self) -> None:
        """Do the hourly work once."""
        now = self._clock.now()
        async with self._pool.acquire() as tx, tx.transaction():
            await months.make(tx)
        await self._pool.execute(
            "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'"
        )
        await self._pool.execute("DELETE FROM workers WHERE seen_at < now() - interval '1 day'")
        if self._retention is None:
            return
        oldest = (now - self._retention).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if dropped := await months.drop(self._pool, oldest.date()):
            log.info("retention dropped a part of the log", tables=dropped)
        await self._forget("event_ids", "id", "accepted_at < $1", oldest)
        await self._forget("relay_log", "seq", "relayed_at < $1", oldest)
        await self._forget("consumer_commits", "ctid", "at < $1", oldest)
        await self._forget("parked", "ctid", "state = 'handled' AND updated_at < $1", oldest)

    async def _forget(self, table: str, key: str, old: str, oldest: object) -> None:
        """Delete in small steps, so that nobody waits for a long transaction."""
        while True:
            done = await self._pool.execute(
                f"DELETE FROM {table} WHERE {key} = ANY(ARRAY("
                f"SELECT {key} FROM {table} WHERE {old} LIMIT {AT_A_TIME}))",
                oldest,
            )
            if done == "DELETE 0":
                return

    async def measure(self) -> None:
        """Set the gauges once."""
        row = await self._pool.fetchrow(OUTBOX)
        if row is not None:
            telemetry.OUTBOX.set(row["entries"])
            telemetry.RELAY_LAG.set(row["age"])
        for group in await self._pool.fetch(LAG):
            telemetry.GROUP_LAG.labels(group["grp"]).set(group["events"])
        for group in await self._pool.fetch(ASIDE):
            telemetry.PARKED.labels(group["grp"]).set(group["parked"])
            telemetry.DEAD.labels(group["grp"]).set(group["dead"])
