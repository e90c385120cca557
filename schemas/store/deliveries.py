"""Owns the rows of deliveries: queue, schedule and record in one; who may change a row is who leased it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from schemas.db import Connection, Source
from schemas.store.delivery_records import (
    COLUMNS,
    Attempt,
    Delivery,
    DeliveryRecords,
    Filter,
    NewDelivery,
    stored,
)

__all__ = ["Attempt", "Deliveries", "Delivery", "Filter", "NewDelivery", "Outcome", "Wait"]

WAKE: Final = "deliveries"
"""Whoever waits for work listens on this channel of notifications; a wake-up may be lost."""
Priorities: Final = {"immediate": 0, "standard": 1, "batch": 2, "silent": 2}
"""What the column `priority` holds for each of the words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt: the new status, and what the record says of it.

    `due_at` is when to try again, for the status `queued`.
    """

    id: UUID
    status: str
    outcome: str
    detail: str | None = None
    reason: str | None = None
    provider: str | None = None
    provider_ref: str | None = None
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why and until when a delivery waits."""

    id: UUID
    until: datetime
    reason: str


NEW: Final = tuple(field.name for field in fields(NewDelivery))
SETTLED: Final = tuple(field.name for field in fields(Outcome))

# Each priority for itself, so that what is held for later is never read on the way to what is due; the
# highest priority comes first, and the LIMIT ends the walk.
CLAIM: Final = f"""
UPDATE deliveries d
SET status = 'sending', owner = $1, lease_until = $3::timestamptz + $4::interval, updated_at = $3
FROM (SELECT due.id FROM generate_series(0, 2) AS p CROSS JOIN LATERAL (
          SELECT id FROM deliveries WHERE channel = $2 AND priority = p AND due_at <= $3
          AND status IN ('queued', 'held') ORDER BY due_at LIMIT $5 FOR UPDATE SKIP LOCKED) due
      LIMIT $5) taken
WHERE d.id = taken.id RETURNING {COLUMNS}
"""
DUE: Final = """
SELECT EXISTS (SELECT FROM generate_series(0, 2) AS p CROSS JOIN LATERAL (
    SELECT FROM deliveries WHERE channel = $1 AND priority = p AND due_at <= $2
    AND status IN ('queued', 'held') LIMIT 1) due)
"""
RENEW: Final = """
UPDATE deliveries SET lease_until = $2::timestamptz + $3::interval
WHERE id = ANY($4) AND owner = $1 AND status = 'sending' AND lease_until IS NOT NULL
"""
SETTLE: Final = """
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::timestamptz[])
           AS g (id, status, outcome, detail, reason, provider, provider_ref, due_at)
), settled AS (
    UPDATE deliveries d
    SET status = CASE WHEN d.status = 'sending' THEN g.status ELSE d.status END,
        reason = CASE WHEN d.status = 'sending' THEN g.reason ELSE d.reason END,
        owner = NULL, lease_until = NULL, batch_id = NULL, attempts = d.attempts + 1,
        notes = d.notes + 1, updated_at = $10,
        provider = coalesce(g.provider, d.provider), provider_ref = coalesce(g.provider_ref, d.provider_ref),
        due_at = coalesce(g.due_at, d.due_at),
        sent_at = CASE WHEN g.status = 'sent' THEN $10 ELSE d.sent_at END
    FROM given g WHERE d.id = g.id AND d.owner = $1
    RETURNING d.id, d.notes, g.outcome, g.detail
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $10, outcome, detail FROM settled
)
SELECT id FROM settled
"""
NOTE: Final = """
WITH noted AS (
    UPDATE deliveries SET attempts = attempts + $6, notes = notes + 1, updated_at = $5
    WHERE id = ANY($2) AND owner = $1 AND status = 'sending' RETURNING id, notes
)
INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
SELECT id, notes, $5, $3, $4 FROM noted
"""
WAIT: Final = """
UPDATE deliveries d SET status = $6, reason = g.reason, due_at = g.until, owner = NULL, lease_until = NULL,
    batch_id = NULL, updated_at = $5
FROM unnest($2::uuid[], $3::timestamptz[], $4::text[]) AS g (id, until, reason)
WHERE d.id = g.id AND d.owner = $1 AND d.status = 'sending' RETURNING d.id
"""
DROP: Final = """
UPDATE deliveries d SET status = 'dropped', reason = g.reason, owner = NULL, lease_until = NULL,
    updated_at = $4
FROM unnest($2::uuid[], $3::text[]) AS g (id, reason)
WHERE d.id = g.id AND d.owner = $1 AND d.status = 'sending' RETURNING d.id
"""
JOIN_BATCH: Final = """
UPDATE deliveries SET owner = $3::uuid::text, batch_id = $3, lease_until = NULL, updated_at = $4
WHERE id = ANY($2) AND owner = $1 AND status = 'sending' RETURNING id
"""
RECOVER: Final = f"""
UPDATE deliveries d
SET status = CASE WHEN d.channel = ANY($2) THEN 'unknown' ELSE 'queued' END,
    reason = CASE WHEN d.channel = ANY($2) THEN 'lease_ran_out' ELSE d.reason END,
    owner = NULL, lease_until = NULL, updated_at = $1
FROM (SELECT id FROM deliveries WHERE status = 'sending' AND lease_until < $1
      ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED) late
WHERE d.id = late.id RETURNING {COLUMNS}
"""
# A report may come late or twice: what was clicked is not merely delivered; what bounced after all, bounced.
REPORT: Final = f"""
WITH ranks AS (
    SELECT array['queued', 'held', 'sending', 'unknown', 'sent', 'failed', 'delivered', 'opened', 'clicked',
                 'bounced'] AS list
), reported AS (
    UPDATE deliveries d
    SET status = CASE WHEN array_position(list, $3) > coalesce(array_position(list, d.status), 0)
                      THEN $3 ELSE d.status END,
        provider = $1, provider_ref = $2, notes = d.notes + 1, updated_at = $5
    FROM ranks WHERE d.id = coalesce($6, (SELECT id FROM deliveries WHERE provider = $1 AND provider_ref = $2
                                          LIMIT 1)) RETURNING d.*
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $5, $3, $4 FROM reported
)
SELECT {COLUMNS} FROM reported d
"""
DROP_FOR_READ: Final = """
UPDATE deliveries SET status = 'dropped', reason = 'read_already', updated_at = $3
WHERE user_id = $1 AND notification_id = ANY($2) AND status IN ('queued', 'held')
"""
REDRIVE: Final = """
UPDATE deliveries SET status = 'queued', reason = NULL, attempts = 0, due_at = $2, batch_id = NULL,
    updated_at = $2
WHERE id = ANY($1) AND status IN ('failed', 'unknown') RETURNING id
"""
REDRIVE_FAILED: Final = """
UPDATE deliveries SET status = 'queued', reason = NULL, attempts = 0, due_at = $1, batch_id = NULL,
    updated_at = $1
WHERE id IN (SELECT id FROM deliveries WHERE status = 'failed' AND updated_at < $1
             LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id
"""


class Deliveries(DeliveryRecords):
    """What is to be sent, is being sent, was sent, and why not.

    `owner` is a dispatcher, or the id of the batch that the delivery joined, as text. A method that takes one
    changes only what that owner still holds, and answers the ids of that.
    """

    async def insert(self, tx: Connection, deliveries: Sequence[NewDelivery]) -> None:
        records = [tuple(getattr(one, name) for name in NEW) for one in deliveries]
        await tx.copy_records_to_table("deliveries", records=records, columns=NEW)
        await tx.execute(f"NOTIFY {WAKE}")

    async def due(self, conn: Source, channel: str, now: datetime) -> bool:
        return bool(await conn.fetchval(DUE, channel, now))

    async def claim(
        self, conn: Source, owner: str, channel: str, now: datetime, *, lease: timedelta, limit: int
    ) -> list[Delivery]:
        """Lease what is due on a channel: the status becomes `sending`. The most urgent come first."""
        rows = await conn.fetch(CLAIM, owner, channel, now, lease, limit)
        return sorted(map(stored, rows), key=lambda one: (one.priority, one.due_at))

    async def renew(
        self, conn: Source, owner: str, ids: Sequence[UUID], now: datetime, lease: timedelta
    ) -> None:
        """Keep a while longer what was leased and is being worked on."""
        await conn.execute(RENEW, owner, now, lease, list(ids))

    async def finish(self, conn: Source, owner: str, outcomes: Sequence[Outcome], now: datetime) -> set[UUID]:
        """Note attempts and what came of them: `sent`, `failed`, `unknown`, or `queued` to try again."""
        rows = await conn.fetch(
            SETTLE,
            owner,
            *([getattr(one, name) for one in outcomes] for name in SETTLED),
            now,
        )
        return _ids(rows)

    async def note(
        self,
        conn: Source,
        owner: str,
        ids: Sequence[UUID],
        now: datetime,
        *,
        outcome: str,
        detail: str | None,
        counted: bool = True,
    ) -> None:
        """Note an attempt that decides nothing; one that is not `counted` spends none of those there are."""
        await conn.execute(NOTE, owner, list(ids), outcome, detail, now, int(counted))

    async def hold(self, conn: Source, owner: str, waits: Sequence[Wait], now: datetime) -> set[UUID]:
        """Put off what the person wants later; no attempt was made."""
        return await self._wait(conn, owner, waits, now, "held")

    async def postpone(self, conn: Source, owner: str, waits: Sequence[Wait], now: datetime) -> set[UUID]:
        """Give back what cannot be sent just now (a full bucket, a paused provider); no attempt was made."""
        return await self._wait(conn, owner, waits, now, "queued")

    async def _wait(
        self, conn: Source, owner: str, waits: Sequence[Wait], now: datetime, status: str
    ) -> set[UUID]:
        columns = [one.id for one in waits], [one.until for one in waits], [one.reason for one in waits]
        return _ids(await conn.fetch(WAIT, owner, *columns, now, status))

    async def drop(
        self, conn: Source, owner: str, reasons: Sequence[tuple[UUID, str]], now: datetime
    ) -> set[UUID]:
        """Give up what is not wanted any more."""
        columns = [delivery for delivery, _ in reasons], [reason for _, reason in reasons]
        return _ids(await conn.fetch(DROP, owner, *columns, now))

    async def join_batch(
        self, conn: Source, owner: str, ids: Sequence[UUID], batch: UUID, now: datetime
    ) -> set[UUID]:
        """Hand deliveries over to a batch: from now on their owner is `str(batch)`, and no lease runs out."""
        return _ids(await conn.fetch(JOIN_BATCH, owner, list(ids), batch, now))

    async def recover(self, conn: Source, now: datetime, ambiguous: Collection[str]) -> list[Delivery]:
        """Free what a dead dispatcher held: `unknown` on channels that know no key, else queued again."""
        return [stored(row) for row in await conn.fetch(RECOVER, now, list(ambiguous))]

    async def report(
        self,
        conn: Source,
        provider: str,
        provider_ref: str,
        *,
        status: str,
        now: datetime,
        detail: str | None = None,
        delivery: UUID | None = None,
    ) -> Delivery | None:
        """Note what a provider says later of what it took; the status only ever goes forward.

        With `delivery`, which the provider was told, it may say so before its own name for it is known here.
        """
        row = await conn.fetchrow(REPORT, provider, provider_ref, status, detail, now, delivery)
        return stored(row) if row else None

    async def drop_for_read(
        self, conn: Source, user: str, notifications: Sequence[UUID], now: datetime
    ) -> None:
        """Withdraw what still waits of notifications that were read."""
        await conn.execute(DROP_FOR_READ, user, list(notifications), now)

    async def redrive(self, conn: Source, ids: Sequence[UUID], now: datetime) -> set[UUID]:
        """Give failed and unknown deliveries new attempts; answers which were such."""
        redriven = _ids(await conn.fetch(REDRIVE, list(ids), now))
        if redriven:
            await conn.execute(f"NOTIFY {WAKE}")
        return redriven

    async def redrive_failed(self, conn: Source, now: datetime, limit: int) -> int:
        """Give what failed before `now` new attempts, so many at a time; answers how many those were."""
        redriven = await conn.fetch(REDRIVE_FAILED, now, limit)
        if redriven:
            await conn.execute(f"NOTIFY {WAKE}")
        return len(redriven)


def _ids(rows: Sequence[Any]) -> set[UUID]:
    return {row["id"] for row in rows}
