"""Owns the counts of events by type and day; kept by the group `stats`, rebuildable from the log.

A day is the UTC day on which the relay numbered the event: numbers and days ascend together, so that a
replay can begin at a day's first event and count each one once.
"""

from collections.abc import Sequence
from datetime import datetime

from schemas.db import Connection
from schemas.events.base import Event


async def count(tx: Connection, events: Sequence[Event]) -> None:
    """Add events to their days."""
    await tx.execute(
        "INSERT INTO stats_daily (day, type, count)"
        " SELECT (r.relayed_at AT TIME ZONE 'UTC')::date, g.type, count(*)"
        " FROM unnest($1::uuid[], $2::text[]) AS g (id, type) JOIN relay_log r ON r.event_id = g.id"
        " GROUP BY 1, 2 ORDER BY 1, 2"
        " ON CONFLICT (day, type) DO UPDATE SET count = stats_daily.count + excluded.count",
        [event.id for event in events],
        [event.name for event in events],
    )


async def reset(tx: Connection, since: datetime | None) -> datetime | None:
    """Forget the days from `since` on (all when None); answers the instant from which to count again."""
    if since is None:
        await tx.execute("DELETE FROM stats_daily")
        return None
    start = since.replace(hour=0, minute=0, second=0, microsecond=0)
    await tx.execute("DELETE FROM stats_daily WHERE day >= $1", start.date())
    return start
