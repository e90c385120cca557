"""Owns the rows of walks: which audience of which event is being told, by whom, and how far that has come."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from schemas.db import Connection, Source
from schemas.events.base import Event
from schemas.events.registry import REGISTRY
from schemas.store.events import COLUMNS as EVENT_COLUMNS
from schemas.store.events import wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk through one audience of one event; `step` is the place of the audience in the catalogue."""

    event_id: UUID
    step: int
    seq: int
    accepted_at: datetime
    after: str
    done: int
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadWalk:
    """A walk that was given up after so many people; `type` is None when retention took the event."""

    event_id: UUID
    step: int
    seq: int
    type: str | None
    done: int
    attempts: int
    error: str | None
    updated_at: datetime


COLUMNS: Final = ", ".join(f"w.{field.name}" for field in fields(Walk))

ADD: Final = """
INSERT INTO walks (event_id, step, seq, accepted_at)
SELECT g.event_id, g.step, r.seq, r.accepted_at
FROM unnest($1::uuid[], $2::smallint[]) AS g (event_id, step) JOIN relay_log r ON r.event_id = g.event_id
ON CONFLICT DO NOTHING
"""
# Of one event the earlier audience comes first: who is in both hears of it as the earlier row has it.
CLAIM: Final = f"""
UPDATE walks w SET owner = $1, lease_until = clock_timestamp() + $2::interval, updated_at = clock_timestamp()
FROM (SELECT event_id, step FROM walks c
      WHERE c.state = 'open' AND c.due_at <= clock_timestamp()
        AND (c.owner IS NULL OR c.lease_until < clock_timestamp())
        AND NOT EXISTS (SELECT FROM walks e
                        WHERE e.event_id = c.event_id AND e.step < c.step AND e.state = 'open')
      ORDER BY c.due_at LIMIT 1 FOR UPDATE SKIP LOCKED) free
WHERE w.event_id = free.event_id AND w.step = free.step RETURNING {COLUMNS}
"""
ADVANCE: Final = """
UPDATE walks SET after = $4, done = done + $5, state = CASE WHEN $6 THEN 'done' ELSE 'open' END,
    owner = CASE WHEN $6 THEN NULL ELSE owner END, attempts = 0, error = NULL,
    lease_until = clock_timestamp() + $7::interval, updated_at = clock_timestamp()
WHERE event_id = $1 AND step = $2 AND owner = $3 AND state = 'open' RETURNING true
"""
RELEASE: Final = """
UPDATE walks SET owner = NULL, lease_until = NULL, due_at = clock_timestamp() + $4::interval
WHERE event_id = $1 AND step = $2 AND owner = $3 AND state = 'open'
"""
FAIL: Final = """
UPDATE walks SET owner = NULL, lease_until = NULL, attempts = attempts + 1, error = $4,
    due_at = clock_timestamp() + coalesce($5::interval, interval '0'),
    state = CASE WHEN $5::interval IS NULL THEN 'dead' ELSE 'open' END, updated_at = clock_timestamp()
WHERE event_id = $1 AND step = $2 AND owner = $3 AND state = 'open'
"""
# In every partition the group's position against the last number below the event's: one step in an index.
BEHIND: Final = """
SELECT EXISTS (
    SELECT FROM generate_series(0, (SELECT partitions FROM hub_meta) - 1) AS p
    LEFT JOIN consumer_positions c ON c.grp = $1 AND c.partition = p
    CROSS JOIN LATERAL (
        SELECT seq FROM relay_log WHERE partition = p AND seq < $2 ORDER BY seq DESC LIMIT 1) last
    WHERE coalesce(c.seq, 0) < last.seq)
"""
PARKED: Final = """
SELECT EXISTS (SELECT FROM parked WHERE grp = $1 AND state = 'parked' AND seq < $2)
   AND clock_timestamp() < $3::timestamptz + $4::interval
"""
DEAD: Final = """
SELECT w.event_id, w.step, w.seq, e.type, w.done, w.attempts, w.error, w.updated_at
FROM walks w LEFT JOIN events e ON e.id = w.event_id AND e.accepted_at = w.accepted_at
WHERE w.state = 'dead' AND ($1::uuid IS NULL OR w.event_id = $1)
ORDER BY w.seq DESC, w.step LIMIT $2
"""
REDRIVE: Final = """
UPDATE walks SET state = 'open', attempts = 0, due_at = clock_timestamp()
WHERE state = 'dead' AND ($1::uuid[] IS NULL OR event_id = ANY($1)) RETURNING event_id
"""


class Walks:
    """The queue of audiences to be told."""

    async def add(self, tx: Connection, walks: Sequence[tuple[UUID, int]]) -> None:
        """Queue audiences by event and step; the events must have their numbers."""
        await tx.execute(ADD, [event for event, _ in walks], [step for _, step in walks])

    async def claim(self, conn: Source, owner: str, lease: timedelta) -> Walk | None:
        """Take the walk that has waited longest, if any may go on."""
        row = await conn.fetchrow(CLAIM, owner, lease)
        return Walk(**row) if row else None

    async def advance(
        self, tx: Connection, walk: Walk, owner: str, *, after: str, told: int, over: bool, lease: timedelta
    ) -> bool:
        """Move a walk in the transaction of what it wrote; False when somebody else has it now."""
        moved = await tx.fetchval(ADVANCE, walk.event_id, walk.step, owner, after, told, over, lease)
        return bool(moved)

    async def plan_anew(self, tx: Connection) -> None:
        """Let no statement of this transaction use a plan that was made when the tables were almost empty.

        A walk fills them faster than PostgreSQL looks how full they are.
        """
        await tx.execute("SET LOCAL plan_cache_mode = force_custom_plan")

    async def release(self, conn: Source, walk: Walk, owner: str, wait: timedelta) -> None:
        """Let others have their turn."""
        await conn.execute(RELEASE, walk.event_id, walk.step, owner, wait)

    async def fail(self, conn: Source, walk: Walk, owner: str, error: str, wait: timedelta | None) -> None:
        """Note a failed attempt; `wait=None` means that they are spent: dead."""
        await conn.execute(FAIL, walk.event_id, walk.step, owner, error[:2000], wait)

    async def dead(self, conn: Source, limit: int, event_id: UUID | None = None) -> list[DeadWalk]:
        """Answer walks that were given up (upon one event), the newest event first."""
        return [DeadWalk(**row) for row in await conn.fetch(DEAD, event_id, limit)]

    async def redrive(self, conn: Source, events: Sequence[UUID] | None = None) -> list[UUID]:
        """Give dead walks (upon some events) new attempts where they stand; answers the event of each."""
        rows = await conn.fetch(REDRIVE, None if events is None else list(events))
        return [row["event_id"] for row in rows]

    async def event(self, conn: Source, walk: Walk) -> Event | None:
        """Answer the event; None when retention took it. Raises what the registry raises."""
        row: Any = await conn.fetchrow(
            f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.id = $1 AND e.accepted_at = $2",
            walk.event_id,
            walk.accepted_at,
        )
        return REGISTRY.decode(wire(row)) if row else None

    async def is_behind(self, conn: Source, group: str, seq: int) -> bool:
        """Say whether a group has not come to a number yet."""
        return bool(await conn.fetchval(BEHIND, group, seq))

    async def awaits_parked(self, conn: Source, group: str, walk: Walk, patience: timedelta) -> bool:
        """Say whether a group has set aside events below the walk's that may still be handled in time."""
        return bool(await conn.fetchval(PARKED, group, walk.seq, walk.created_at, patience))
