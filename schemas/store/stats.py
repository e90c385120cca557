"""Owns the counts of events by type and day; kept by the group `stats`, rebuildable from the log.

A day is the UTC day on which the relay numbered the event: numbers and days ascend together, so that a
replay can begin at a day's first event and count each one once.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Final

from schemas import months
from schemas.db import Connection
from schemas.events.base import Event

# The first day whose events the log still has, every one. $1 is where retention cut: of a day on which an
# event from before was numbered, something is missing. OFFSET 0 keeps the planner from walking all instants
# downwards for the max().
FIRST_WHOLE_DAY: Final = """
SELECT coalesce(
    (SELECT max((relayed_at AT TIME ZONE 'UTC')::date) + 1
     FROM (SELECT relayed_at FROM relay_log WHERE accepted_at < $1 OFFSET 0) gone),
    (SELECT (relayed_at AT TIME ZONE 'UTC')::date FROM relay_log ORDER BY seq LIMIT 1),
    (now() AT TIME ZONE 'UTC')::date
)
"""


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


async def reset(tx: Connection, since: datetime | None) -> datetime:
    """Forget the days from `since` on (all when None); answers the instant from which to count again.

    Days that the log does not hold completely any more stay as they are: they could not be counted again.
    """
    cut = await months.oldest(tx)
    first: date = await tx.fetchval(FIRST_WHOLE_DAY, _midnight(cut or date.min))
    day = first if since is None else max(first, since.astimezone(UTC).date())
    await tx.execute("DELETE FROM stats_daily WHERE day >= $1", day)
    return _midnight(day)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
