"""Owns the log of events: one statement to insert, and what may be asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from schemas.db import Pool, Row, Source
from schemas.events.base import Event
from schemas.events.members import rfc3339
from schemas.listen import Listener

COLUMNS: Final = "e.id, e.type, e.subject, e.actor, e.source, e.time, e.data, e.accepted_at"

INSERT: Final = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[],
                         $7::timestamptz[], $8::jsonb[]) WITH ORDINALITY
           AS g (id, digest, type, subject, actor, source, time, data, n)
), fresh AS (
    -- in the order of ids, so that two batches with the same ids wait for each other and never deadlock
    INSERT INTO event_ids (id, accepted_at, digest) SELECT id, now(), digest FROM given ORDER BY id
    ON CONFLICT (id) DO NOTHING RETURNING id
), logged AS (
    INSERT INTO events (id, accepted_at, type, subject, actor, source, time, data, trace_id)
    SELECT id, now(), type, subject, actor, source, time, data, $9 FROM given JOIN fresh USING (id)
), queued AS (
    INSERT INTO outbox (event_id, accepted_at) SELECT id, now() FROM given JOIN fresh USING (id) ORDER BY n
), named AS (
    INSERT INTO event_people (user_id, accepted_at, event_id)
    SELECT n.user_id, now(), n.id
    FROM unnest($10::uuid[], $11::text[]) AS n (id, user_id) JOIN fresh USING (id)
), people AS (
    INSERT INTO users (id) SELECT DISTINCT u FROM unnest($11::text[]) AS u ORDER BY u ON CONFLICT DO NOTHING
)
SELECT id FROM fresh
"""

# Relayed events in the order of their numbers, then what waits in the outbox; one snapshot, so that an
# event on its way between the two is seen exactly once. LATERAL with its LIMIT keeps the planner from
# hashing the whole log for a page: it walks an index of relay_log and looks up one event at a time.
LIST: Final = f"""
WITH relayed AS (
    SELECT r.seq, r.relayed_at, 0::bigint AS n, {COLUMNS}
    FROM relay_log r CROSS JOIN LATERAL (
        SELECT * FROM events WHERE id = r.event_id AND accepted_at = r.accepted_at LIMIT 1) e
    WHERE r.event_id IS NOT NULL{{relayed}} ORDER BY r.seq {{order}} LIMIT $1
), waiting AS (
    SELECT NULL::bigint AS seq, NULL::timestamptz AS relayed_at, o.n, {COLUMNS}
    FROM outbox o CROSS JOIN LATERAL (
        SELECT * FROM events WHERE id = o.event_id AND accepted_at = o.accepted_at LIMIT 1) e
    WHERE o.event_id IS NOT NULL{{waiting}} ORDER BY o.n {{order}} LIMIT $1
)
SELECT * FROM (SELECT * FROM relayed UNION ALL SELECT * FROM waiting) AS found
ORDER BY seq {{order}} NULLS {{nulls}}, n {{order}} LIMIT $1
"""

# What a filter asks of relay_log and of the outbox. What was accepted at an instant or later was relayed
# later still, and numbers ascend with the time of relaying: the instant becomes a number to begin at.
FILTERS: Final = {
    "type": (" AND r.type = {}", " AND e.type = {}"),
    "subject": (" AND r.subject = {}", " AND e.subject = {}"),
    "since_seq": (" AND r.seq > {}", ""),
    "since_time": (
        " AND e.accepted_at >= {0} AND r.seq > coalesce((SELECT l.seq FROM relay_log l"
        " WHERE l.relayed_at < {0} ORDER BY l.relayed_at DESC, l.seq DESC LIMIT 1), 0)",
        " AND e.accepted_at >= {}",
    ),
    "before_seq": (" AND r.seq < {}", " AND false"),  # what has no number yet comes after every number
}

OF_USER: Final = f"""
SELECT NULL::bigint AS seq, NULL::timestamptz AS relayed_at, {COLUMNS}
FROM event_people p JOIN events e ON e.id = p.event_id AND e.accepted_at = p.accepted_at
WHERE p.user_id = $1 AND (p.accepted_at, p.event_id) > ($2, $3)
ORDER BY p.accepted_at, p.event_id LIMIT $4
"""

GROUPS: Final = """
SELECT p.grp,
       k.state, k.attempts, k.error, k.updated_at,
       (SELECT c.at FROM consumer_commits c
        WHERE c.grp = p.grp AND c.partition = p.partition AND c.seq >= $2 ORDER BY c.seq LIMIT 1) AS passed_at
FROM consumer_positions p LEFT JOIN parked k ON k.grp = p.grp AND k.seq = $2
WHERE p.partition = $1 AND (p.seq >= $2 OR k.seq IS NOT NULL)
ORDER BY p.grp
"""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to insert, with the digest of what its sender sent (32 bytes)."""

    event: Event
    digest: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """An event of the log; `seq` and `relayed_at` are None until the relay has numbered it."""

    wire: dict[str, Any]
    seq: int | None
    accepted_at: datetime
    relayed_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupTrace:
    """What became of an event in one group: handled, parked or dead.

    `at` is exact at first; of what was handled more than an hour ago, it is late by less than a second.
    """

    group: str
    state: str
    at: datetime | None
    attempts: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Trace:
    """The way of one event as far as it has come."""

    record: Record
    groups: tuple[GroupTrace, ...]


def wire(row: Row) -> dict[str, Any]:
    """Make the CloudEvents 1.0 form of a row of `events`."""
    found = {
        "specversion": "1.0",
        "id": str(row["id"]),
        "type": row["type"],
        "source": row["source"],
        "subject": row["subject"],
        "time": rfc3339(row["time"]),
        "datacontenttype": "application/json",
        "data": row["data"],
    }
    return found if row["actor"] is None else found | {"actor": row["actor"]}


async def insert(source: Source, events: Sequence[NewEvent], trace_id: str | None = None) -> set[UUID]:
    """Log events and queue them for the relay, in one statement; answers the ids that were new.

    Ids must not repeat. The people whom the events name come to exist.
    """
    named = [(new.event.id, user) for new in events for user in new.event.users()]
    rows = await source.fetch(
        INSERT,
        [new.event.id for new in events],
        [new.digest for new in events],
        [new.event.name for new in events],
        [new.event.subject for new in events],
        [new.event.actor for new in events],
        [new.event.source for new in events],
        [new.event.time for new in events],
        [new.event.data() for new in events],
        trace_id,
        [event_id for event_id, _ in named],
        [user for _, user in named],
    )
    return {row["id"] for row in rows}


async def known(source: Source, ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """Answer digest and stored columns of ids that were accepted before (the columns may be gone: null)."""
    rows = await source.fetch(
        f"SELECT i.id AS known_id, i.digest, {COLUMNS} FROM event_ids i"
        " LEFT JOIN events e ON e.id = i.id AND e.accepted_at = i.accepted_at WHERE i.id = ANY($1)",
        ids,
    )
    return {row["known_id"]: row for row in rows}


def list_query(filters: Sequence[str], newest_first: bool) -> str:
    """Write the statement for a page: $1 is its limit, then comes one value for each filter."""
    found = [FILTERS[name] for name in filters]
    return LIST.format(
        relayed="".join(relayed.format(f"${n}") for n, (relayed, _) in enumerate(found, start=2)),
        waiting="".join(waiting.format(f"${n}") for n, (_, waiting) in enumerate(found, start=2)),
        order="DESC" if newest_first else "ASC",
        nulls="FIRST" if newest_first else "LAST",
    )


class EventLog:
    """Reads of the log, each its own snapshot."""

    def __init__(self, pool: Pool, listener: Listener) -> None:
        self._pool = pool
        self._listener = listener

    async def page(
        self,
        *,
        type: str | None = None,  # noqa: A002  the field's own word
        subject: str | None = None,
        since_seq: int | None = None,
        since_time: datetime | None = None,
        before_seq: int | None = None,
        limit: int = 50,
        newest_first: bool = False,
    ) -> list[Record]:
        """Answer up to `limit` events, oldest first unless told otherwise.

        Page with `since_seq` (exclusive) going up or `before_seq` (exclusive) going down. Events that
        the relay has not numbered yet come last going up and first going down.
        """
        asked = {
            "type": type,
            "subject": subject,
            "since_seq": since_seq,
            "since_time": since_time,
            "before_seq": before_seq,
        }
        given = {name: value for name, value in asked.items() if value is not None}
        rows = await self._pool.fetch(list_query(tuple(given), newest_first), limit, *given.values())
        return [_record(row) for row in rows]

    async def get(self, event_id: UUID) -> Record | None:
        """Answer one event, or None."""
        row = await self._pool.fetchrow(
            f"SELECT r.seq, r.relayed_at, {COLUMNS} FROM event_ids i"
            " JOIN events e ON e.id = i.id AND e.accepted_at = i.accepted_at"
            " LEFT JOIN relay_log r ON r.event_id = i.id WHERE i.id = $1",
            event_id,
        )
        return _record(row) if row else None

    async def trace(self, event_id: UUID) -> Trace | None:
        """Answer how far an event has come, or None when there is no such event."""
        record = await self.get(event_id)
        if record is None or record.seq is None:
            return Trace(record, ()) if record else None
        partition = await self._pool.fetchval("SELECT partition FROM relay_log WHERE seq = $1", record.seq)
        rows = await self._pool.fetch(GROUPS, partition, record.seq)
        return Trace(record, tuple(_group(row) for row in rows))

    async def wait_relayed(self, after_seq: int, within_s: float) -> bool:
        """Wait until the log holds a number above `after_seq`; False when it does not in time."""

        async def newer() -> bool:
            return await self.head() > after_seq

        return await self._listener.wait_for(newer, within_s)

    async def head(self) -> int:
        """Answer the last number the relay gave."""
        return int(await self._pool.fetchval("SELECT seq FROM relay_heads WHERE stream = 'log'"))

    async def of_user(self, user: str, after: UUID | None, limit: int) -> list[Record]:
        """Answer events that a user caused or that name the user, in the order of their acceptance."""
        at = await self._pool.fetchval("SELECT accepted_at FROM event_ids WHERE id = $1", after)
        start = (at or datetime.min.replace(tzinfo=UTC), after or UUID(int=0))
        rows = await self._pool.fetch(OF_USER, user, *start, limit)
        return [_record(row) for row in rows]


def _record(row: Row) -> Record:
    return Record(wire(row), row["seq"], row["accepted_at"], row["relayed_at"])


def _group(row: Row) -> GroupTrace:
    if row["state"] is None:
        return GroupTrace(row["grp"], "handled", row["passed_at"], 1, None)
    return GroupTrace(row["grp"], row["state"], row["updated_at"], row["attempts"], row["error"])
