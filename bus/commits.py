"""Owns when a group passed where: a row for each commit at first, then one for each second that had any.

The trace of an event reads from it when the event was handled: the first row at or above its number tells.
Of a second, the last row stands for the others, and is late by less than that second.
"""

from datetime import datetime, timedelta
from typing import Final

from schemas.db import Connection, Source

SETTLED: Final = timedelta(hours=1)
BACK: Final = timedelta(days=1)
STEP: Final = timedelta(minutes=1)  # whole seconds: none may lie in two steps
AT_A_TIME: Final = 10_000

MERGE: Final = """
DELETE FROM consumer_commits WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM (
        SELECT ctid, seq, max(seq) OVER (PARTITION BY grp, partition, date_trunc('second', at)) AS last
        FROM consumer_commits WHERE at >= $1 AND at < $2) found
    WHERE seq < last))
"""
FORGET: Final = """
WITH step AS (
    SELECT seq FROM consumer_commits WHERE grp = $1 AND partition = $2 AND seq > $3 ORDER BY seq LIMIT $4
), gone AS (
    DELETE FROM consumer_commits c USING step s WHERE c.grp = $1 AND c.partition = $2 AND c.seq = s.seq
)
SELECT max(seq) FROM step
"""


async def merge(source: Source, since: datetime | None) -> datetime:
    """Leave one row for each second that is long past, from `since` on; answers how far that has come.

    Without `since` it looks back a day. Repeated, it does nothing.
    """
    until: datetime = await source.fetchval("SELECT date_trunc('minute', now() - $1::interval)", SETTLED)
    start = max(until - BACK, since or until - BACK)
    while start < until:
        await source.execute(MERGE, start, start + STEP)
        start += STEP
    return until


async def forget_after(tx: Connection, group: str, seq: int) -> None:
    """Forget that a group ever passed a number; in steps, each far within a statement's time-out."""
    rows = await tx.fetch("SELECT partition FROM consumer_positions WHERE grp = $1", group)
    for row in rows:
        after: int | None = seq
        while after is not None:
            after = await tx.fetchval(FORGET, group, row["partition"], after, AT_A_TIME)
