"""Owns events that a group could not handle: they wait for another attempt, or are dead; never silent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bus.positions import Lease
from schemas.db import Connection, Row, Source

PARK: Final = """
INSERT INTO parked (grp, seq, partition, subject, attempts, due_at, error, state)
VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6::interval, $7, $8)
ON CONFLICT (grp, seq) DO UPDATE
SET attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error, state = excluded.state,
    updated_at = clock_timestamp()
"""
# Steps from subject to subject in the index: a thousand events behind one subject are never read.
NEXT: Final = """
WITH RECURSIVE firsts AS (
    (SELECT subject, seq, attempts, due_at FROM parked
     WHERE grp = $1 AND partition = $2 AND state = 'parked' ORDER BY subject, seq LIMIT 1)
    UNION ALL
    SELECT n.* FROM firsts f CROSS JOIN LATERAL (
        SELECT subject, seq, attempts, due_at FROM parked
        WHERE grp = $1 AND partition = $2 AND state = 'parked' AND subject > f.subject
        ORDER BY subject, seq LIMIT 1) n
)
SELECT seq, subject, attempts FROM firsts WHERE due_at <= clock_timestamp() ORDER BY seq LIMIT $3
"""
RUN: Final = """
SELECT seq, subject, attempts FROM parked
WHERE grp = $1 AND partition = $2 AND state = 'parked' AND subject = $3 ORDER BY seq LIMIT $4
"""
# The log may have forgotten the event by now; that it failed is still told.
SHOW: Final = """
SELECT k.grp, k.seq, k.subject, k.state, k.attempts, k.due_at, k.updated_at, k.error, r.event_id, r.type
FROM parked k LEFT JOIN relay_log r ON r.seq = k.seq
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A parked event that waits for its attempt, or behind an earlier one of its subject."""

    seq: int
    subject: str
    attempts: int


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """A parked or dead event as `hub dlq` shows it; `event_id` and `type` are None when retention took it."""

    group: str
    seq: int
    subject: str
    state: str
    attempts: int
    due_at: datetime
    updated_at: datetime
    error: str | None
    event_id: str | None
    type: str | None


async def park(
    tx: Connection, lease: Lease, seq: int, subject: str, *, attempts: int, wait: timedelta | None, error: str
) -> None:
    """Set an event aside until `wait` is over; `wait=None` means that its attempts are spent: dead."""
    state = "dead" if wait is None else "parked"
    await tx.execute(
        PARK, lease.group, seq, lease.partition, subject, attempts, wait or timedelta(), error[:2000], state
    )


async def blocked(tx: Connection, lease: Lease, subjects: Collection[str]) -> set[str]:
    """Answer which of the subjects have an event that waits: later ones must wait behind it."""
    rows = await tx.fetch(
        "SELECT DISTINCT subject FROM parked"
        " WHERE grp = $1 AND partition = $2 AND state = 'parked' AND subject = ANY($3)",
        lease.group,
        lease.partition,
        list(subjects),
    )
    return {row["subject"] for row in rows}


async def due(source: Source, lease: Lease, limit: int) -> list[Waiting]:
    """Answer parked events whose time has come: of each subject only the first."""
    return _waiting(await source.fetch(NEXT, lease.group, lease.partition, limit))


async def run_of(tx: Connection, lease: Lease, subject: str, limit: int) -> list[Waiting]:
    """Answer the first events that wait in one subject, in their order, whether due or not."""
    return _waiting(await tx.fetch(RUN, lease.group, lease.partition, subject, limit))


def _waiting(rows: Sequence[Row]) -> list[Waiting]:
    return [Waiting(row["seq"], row["subject"], row["attempts"]) for row in rows]


async def settle(tx: Connection, lease: Lease, seq: int) -> None:
    """Note that a parked event was handled after all."""
    await tx.execute(
        "UPDATE parked SET state = 'handled', attempts = attempts + 1, updated_at = clock_timestamp()"
        " WHERE grp = $1 AND seq = $2",
        lease.group,
        seq,
    )


async def find(source: Source, group: str | None, states: Sequence[str], limit: int) -> list[ParkedEvent]:
    """Answer parked events, oldest first."""
    query = f"{SHOW} WHERE ($1::text IS NULL OR k.grp = $1) AND k.state = ANY($2) ORDER BY k.seq LIMIT $3"
    return [_shown(row) for row in await source.fetch(query, group, list(states), limit)]


async def redrive(tx: Connection, group: str, seqs: Sequence[int] | None) -> int:
    """Give dead events (all of the group, or these numbers) new attempts; answers how many.

    A redriven event is late: later events of its subject may have been handled before it.
    """
    rows = await tx.fetch(
        "UPDATE parked SET state = 'parked', attempts = 0, due_at = clock_timestamp(),"
        " updated_at = clock_timestamp()"
        " WHERE grp = $1 AND state = 'dead' AND ($2::bigint[] IS NULL OR seq = ANY($2)) RETURNING seq",
        group,
        None if seqs is None else list(seqs),
    )
    return len(rows)


async def show(source: Source, group: str | None, seq: int) -> list[ParkedEvent]:
    """Answer what became of one event in each group (or this one) that set it aside, handled ones too."""
    query = f"{SHOW} WHERE ($1::text IS NULL OR k.grp = $1) AND k.seq = $2 ORDER BY k.grp"
    return [_shown(row) for row in await source.fetch(query, group, seq)]


def _shown(row: Row) -> ParkedEvent:
    return ParkedEvent(
        row["grp"], row["seq"], row["subject"], row["state"], row["attempts"], row["due_at"],
        row["updated_at"], row["error"], str(row["event_id"]) if row["event_id"] else None, row["type"],
    )  # fmt: skip
