"""Owns the gauges that operators watch: of the database, where all see the same, and of the own process."""

import os
import time
from pathlib import Path
from typing import Final

from bus import telemetry
from bus.base import PUSH
from bus.tasks import forever
from schemas.db import Pool

WATCH_S: Final = 5.0
MEMORY: Final = Path("/proc/self/statm")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

OUTBOX: Final = """
SELECT count(*) AS entries,
       coalesce(extract(epoch FROM clock_timestamp() - min(accepted_at)), 0)::float8 AS age FROM outbox
"""
HEAD: Final = "SELECT seq FROM relay_heads WHERE stream = $1"
LAG: Final = """
SELECT p.grp,
       sum((SELECT count(*) FROM (SELECT 1 FROM relay_log r
            WHERE r.partition = p.partition AND r.seq > p.seq LIMIT 10000) few))::bigint AS events
FROM consumer_positions p GROUP BY p.grp
"""
# Two counts, so that each reads its own partial index and never what was handled late.
ASIDE: Final = """
SELECT g.grp, (SELECT count(*) FROM parked k WHERE k.grp = g.grp AND k.state = 'parked') AS parked,
       (SELECT count(*) FROM parked k WHERE k.grp = g.grp AND k.state = 'dead') AS dead
FROM (SELECT DISTINCT grp FROM consumer_positions) g
"""


async def watch(pool: Pool) -> None:
    """Renew the gauges for ever; run it where /metrics is asked."""

    async def renew() -> None:
        await measure(pool)

    await forever(renew, name="gauges", pause_s=WATCH_S)


async def measure(pool: Pool) -> None:
    """Set the gauges once."""
    row = await pool.fetchrow(OUTBOX)
    if row is not None:
        telemetry.OUTBOX.set(row["entries"])
        telemetry.RELAY_LAG.set(row["age"])
    telemetry.RELAY_SEQ.set(await pool.fetchval(HEAD, "log"))
    telemetry.PUSH_HEAD.set(await pool.fetchval(HEAD, PUSH))
    for group in await pool.fetch(LAG):
        telemetry.GROUP_LAG.labels(group["grp"]).set(group["events"])
    for group in await pool.fetch(ASIDE):
        telemetry.PARKED.labels(group["grp"]).set(group["parked"])
        telemetry.DEAD.labels(group["grp"]).set(group["dead"])


class Process:
    """What a process says of itself."""

    def __init__(self) -> None:
        self._told = 0.0

    def measure(self) -> None:
        """Set memory and processor time once."""
        used = time.process_time()
        telemetry.CPU.inc(used - self._told)
        self._told = used
        telemetry.RESIDENT.set(int(MEMORY.read_text().split()[1]) * PAGE_BYTES)


async def watch_process() -> None:
    """Renew what this process says of itself, for ever; run it once in each process."""
    process = Process()

    async def renew() -> None:
        process.measure()

    await forever(renew, name="process", pause_s=WATCH_S)
