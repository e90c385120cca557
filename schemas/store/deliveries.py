"""Owns the rows of deliveries: queue, schedule and record in one; who may change a row is who leased it.

One that waits and names a provider may have been taken by it: it goes there again, and nowhere else.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
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

__all__ = ["Attempt", "Deliveries", "Delivery", "Filter", "NewDelivery", "Outcome"]

WAKE: Final = "deliveries"
"""Whoever waits for work listens on this channel of notifications; a wake-up may be lost."""
SETTINGS_CHANGED: Final = "settings were changed"
"""The detail of a line `released` that ends a hold; others tell of what no provider was called for."""
Priorities: Final = {"immediate": 0, "standard": 1, "batch": 2, "silent": 2}
"""What the column `priority` holds for each of the words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt or a decision: the new status, and the line that the record gets.

    `due_at` is when its time comes again, for the statuses `queued` and `held`; `provider` is kept for those
    only where the provider may have taken it.
    """

    id: UUID
    status: str
    outcome: str
    detail: str | None = None
    reason: str | None = None
    provider: str | None = None
    provider_ref: str | None = None
    due_at: datetime | None = None
    counted: bool = True
    """Whether it was an attempt, of which there are not many."""
    tried_since: datetime | None = None
    """Of an attempt that another one follows; None moves it on by the wait that was no attempt's."""


NEW: Final = tuple(field.name for field in fields(NewDelivery))
RECORD: Final = attrgetter(*NEW)
SETTLED: Final = tuple(field.name for field in fields(Outcome))

# Each priority for itself, so that what is held for later is never read on the way to what is due; the
# highest priority comes first, and the LIMIT ends the walk.
CLAIM: Final = f"""
UPDATE deliveries d
SET status = 'sending', owner = $1, lease_until = $3::timestamptz + $4::interval, updated_at = $3,
    provider = $6
FROM (SELECT due.id FROM generate_series(0, 2) AS p CROSS JOIN LATERAL (
          SELECT id FROM deliveries WHERE channel = $2 AND priority = p AND due_at <= $3
          AND status IN ('queued', 'held') AND (provider IS NULL OR provider = $6)
          ORDER BY due_at LIMIT $5 FOR UPDATE SKIP LOCKED) due
      LIMIT $5) taken
WHERE d.id = taken.id RETURNING {COLUMNS}
"""
DUE: Final = """
SELECT EXISTS (SELECT FROM generate_series(0, 2) AS p CROSS JOIN LATERAL (
    SELECT FROM deliveries WHERE channel = $1 AND priority = p AND due_at <= $2
    AND status IN ('queued', 'held') AND (provider IS NULL OR provider = ANY($3)) LIMIT 1) due)
"""
RENEW: Final = """
UPDATE deliveries SET lease_until = $2::timestamptz + $3::interval
WHERE id = ANY($4) AND owner = $1 AND status = 'sending' AND lease_until IS NOT NULL RETURNING id
"""
# Whose lease ran out may know after all what came; what failed under another name was an attempt before, and
# so was what failed while this one was surely not taken.
OURS: Final = """(d.status = 'sending' OR d.status = 'unknown' AND d.reason = 'lease_ran_out'
                   OR d.status = 'failed' AND (d.provider_ref <> g.provider_ref
                       OR g.status IN ('queued', 'held') AND g.provider IS NULL))"""
# A webhook may have been quicker: what it said stays. An endpoint that another dispatcher notes just now is
# used either way; one that a code goes to is not used yet, and who asked must not see whether any was sent.
# What lies between no attempts, such as a hold, makes it tried for no longer. Owners come and go between two
# looks of ANALYZE: coalesce keeps the planner from counting on fewer owned rows than there are.
SETTLE: Final = f"""
WITH given AS (
    SELECT * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
                         $9::timestamptz[], $10::bool[], $11::timestamptz[])
           AS g (id, status, outcome, detail, reason, provider, provider_ref, due_at, counted, tried_since)
), settled AS (
    UPDATE deliveries d
    SET status = CASE WHEN {OURS} THEN g.status ELSE d.status END,
        reason = CASE WHEN {OURS} THEN g.reason ELSE d.reason END,
        owner = NULL, lease_until = NULL, batch_id = NULL, attempts = d.attempts + g.counted::int,
        notes = d.notes + 1, updated_at = $12,
        provider = CASE WHEN {OURS} AND g.status IN ('queued', 'held') THEN g.provider
                        ELSE coalesce(g.provider, d.provider) END,
        provider_ref = coalesce(g.provider_ref, d.provider_ref), due_at = coalesce(g.due_at, d.due_at),
        tried_since = coalesce(g.tried_since, d.tried_since + (g.due_at - d.due_at), d.tried_since),
        sent_at = CASE WHEN g.status = 'sent' THEN $12 ELSE d.sent_at END
    FROM given g WHERE d.id = g.id AND coalesce(d.owner, '') = $1
    RETURNING d.id, d.endpoint_id, d.verification_id, d.notes, g.status, g.outcome, g.detail
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $12, outcome, detail FROM settled
), used AS (
    UPDATE endpoints e SET used_at = $12
    FROM (SELECT id FROM endpoints WHERE id IN (SELECT endpoint_id FROM settled
                                                WHERE status = 'sent' AND verification_id IS NULL)
          AND (used_at IS NULL OR used_at < $12::timestamptz - interval '1 minute')
          FOR NO KEY UPDATE SKIP LOCKED) u
    WHERE e.id = u.id
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
JOIN_BATCH: Final = """
UPDATE deliveries SET owner = $3::uuid::text, batch_id = $3, lease_until = NULL, updated_at = $4
WHERE id = ANY($2) AND owner = $1 AND status = 'sending' RETURNING id
"""
# What a provider of batches had claimed was in no batch yet, as those have no lease: nobody called for it.
# What becomes unknown stays its owner's, who may only have been cut off, and can still tell.
RECOVER: Final = f"""
WITH freed AS (
    UPDATE deliveries d
    SET status = CASE WHEN d.provider <> ALL($3) THEN 'unknown' ELSE 'queued' END,
        provider = CASE WHEN d.provider = ANY($4) THEN NULL ELSE d.provider END,
        owner = CASE WHEN d.provider <> ALL($3) THEN d.owner END,
        reason = 'lease_ran_out', lease_until = NULL, notes = d.notes + 1, updated_at = $1
    FROM (SELECT id FROM deliveries WHERE status = 'sending' AND lease_until < $1 AND channel = ANY($2)
          ORDER BY lease_until LIMIT 1000 FOR UPDATE SKIP LOCKED) late
    WHERE d.id = late.id RETURNING d.*
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $1, 'lease_ran_out', 'the process that was sending it ended' FROM freed
)
SELECT {COLUMNS} FROM freed d
"""
# What waits for a provider that this deployment no longer has may have been taken by it.
GIVE_UP: Final = """
WITH stuck AS (
    UPDATE deliveries d SET status = 'unknown', reason = 'provider_removed', notes = d.notes + 1,
        updated_at = $1
    FROM (SELECT id FROM deliveries WHERE channel = ANY($2) AND status IN ('queued', 'held')
          AND provider <> ALL($3) AND updated_at < $4 ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED) old
    WHERE d.id = old.id RETURNING d.id, d.notes, d.channel
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $1, 'provider_removed', 'the provider that may have taken it is not configured any more'
    FROM stuck
)
SELECT channel FROM stuck
"""
# Rows of which somebody else may lock some, too, are locked in one order: nobody waits in a circle.
LOCKED: Final = """
WITH locked AS (
    SELECT id FROM deliveries WHERE {} AND status IN ('queued', 'held') ORDER BY id FOR NO KEY UPDATE
)
"""
PUT_OFF: Final = f"""
{LOCKED.format("channel = $1 AND address = $2 AND due_at < $3")}
UPDATE deliveries d SET due_at = $3, updated_at = $4 FROM locked l WHERE d.id = l.id
"""
READDRESS: Final = f"""
{LOCKED.format("channel = $1 AND address = $2")}
UPDATE deliveries d SET address = $3 FROM locked l WHERE d.id = l.id
"""
RELEASE: Final = f"""
{LOCKED.format("user_id = $1 AND status = 'held' AND reason = 'quiet_hours' AND due_at > $2")}, released AS (
    UPDATE deliveries d SET due_at = $2, tried_since = d.tried_since - (d.due_at - $2), notes = d.notes + 1,
        updated_at = $2
    FROM locked l WHERE d.id = l.id RETURNING d.id, d.notes
)
INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
SELECT id, notes, $2, 'released', '{SETTINGS_CHANGED}' FROM released RETURNING delivery_id
"""
# Of what waits, was dropped, or is sent under another name, an attempt before has failed: that is only noted.
BEFORE: Final = """($3 = 'failed' AND (d.status IN ('queued', 'held', 'dropped')
                                     OR d.status = 'sending' AND d.provider_ref <> $2))"""
# A report may come late or twice: what was clicked is not merely delivered; what bounced after all, bounced.
REPORT: Final = f"""
WITH ranks AS (
    SELECT array['queued', 'held', 'sending', 'unknown', 'sent', 'failed', 'delivered', 'opened', 'clicked',
                 'bounced'] AS list
), reported AS (
    UPDATE deliveries d
    SET status = CASE WHEN {BEFORE} THEN d.status
                      WHEN array_position(list, $3) > coalesce(array_position(list, d.status), 0)
                      THEN $3 ELSE d.status END,
        reason = CASE WHEN {BEFORE} THEN d.reason
                      WHEN array_position(list, $3) > coalesce(array_position(list, d.status), 0)
                      THEN NULL ELSE d.reason END,
        sent_at = CASE WHEN $3 = 'failed' THEN d.sent_at ELSE coalesce(d.sent_at, $5) END,
        provider = CASE WHEN {BEFORE} THEN d.provider ELSE $1 END,
        provider_ref = CASE WHEN {BEFORE} THEN d.provider_ref ELSE $2 END,
        notes = d.notes + 1, updated_at = $5
    FROM ranks WHERE d.id = coalesce($6, (SELECT id FROM deliveries WHERE provider = $1 AND provider_ref = $2
                                          LIMIT 1)) RETURNING d.*
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $5, $3, $4 FROM reported
)
SELECT {COLUMNS} FROM reported d
"""
WITHDRAWN: Final = """
withdrawn AS (
    UPDATE deliveries d
    SET status = 'dropped', reason = 'read_already', notes = d.notes + 1, updated_at = {at}
    FROM locked l WHERE d.id = l.id RETURNING d.id, d.notes, d.channel
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, {at}, 'dropped', 'read_already' FROM withdrawn
)
"""
"""What was read is not sent any more: the rows that are `locked`, with a line of their records."""
DROP_FOR_READ: Final = f"""
{LOCKED.format("user_id = $1 AND notification_id = ANY($2)")}, {WITHDRAWN.format(at="$3")}
SELECT channel FROM withdrawn
"""
# The provider's name for an attempt goes with it: the next one has another.
ANEW: Final = """
UPDATE deliveries SET status = 'queued', reason = NULL, attempts = 0, due_at = {at}, batch_id = NULL,
    tried_since = NULL, provider = NULL, provider_ref = NULL, owner = NULL, lease_until = NULL,
    updated_at = {at}
"""
REDRIVE: Final = f"""
{ANEW.format(at="$2")} WHERE id = ANY($1) AND status IN ('failed', 'unknown') RETURNING id
"""
REDRIVE_FAILED: Final = f"""
{ANEW.format(at="$1")}
WHERE id IN (SELECT id FROM deliveries WHERE status = 'failed' AND updated_at < $1
             ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING id
"""


class Deliveries(DeliveryRecords):
    """What is to be sent, is being sent, was sent, and why not.

    `owner` is a dispatcher, or the id of the batch that the delivery joined, as text. A method that takes one
    changes only what that owner still holds, and answers the ids of that.
    """

    async def insert(self, tx: Connection, deliveries: Sequence[NewDelivery]) -> None:
        records = list(map(RECORD, deliveries))
        await tx.copy_records_to_table("deliveries", records=records, columns=NEW)
        await tx.execute(f"NOTIFY {WAKE}")

    async def due(self, conn: Source, channel: str, now: datetime, *, providers: Collection[str]) -> bool:
        """Whether something is due that one of these providers may be called for."""
        return bool(await conn.fetchval(DUE, channel, now, list(providers)))

    async def claim(
        self,
        conn: Source,
        owner: str,
        channel: str,
        now: datetime,
        *,
        provider: str,
        lease: timedelta,
        limit: int,
    ) -> list[Delivery]:
        """Lease what is due on a channel: the status becomes `sending`. The most urgent come first."""
        rows = await conn.fetch(CLAIM, owner, channel, now, lease, limit, provider)
        return sorted(map(stored, rows), key=lambda one: (one.priority, one.due_at))

    async def renew(
        self, conn: Source, owner: str, ids: Sequence[UUID], now: datetime, lease: timedelta
    ) -> set[UUID]:
        """Keep a while longer what was leased and is being worked on; what was lost is not in the answer."""
        return _ids(await conn.fetch(RENEW, owner, now, lease, list(ids)))

    async def finish(self, conn: Source, owner: str, outcomes: Sequence[Outcome], now: datetime) -> set[UUID]:
        """Note what came of attempts and decisions, also of what was recovered meanwhile as `unknown`."""
        values = ([getattr(one, name) for one in outcomes] for name in SETTLED)
        return _ids(await conn.fetch(SETTLE, owner, *values, now))

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

    async def join_batch(
        self, conn: Source, owner: str, ids: Sequence[UUID], batch: UUID, now: datetime
    ) -> set[UUID]:
        """Hand deliveries over to a batch: from now on their owner is `str(batch)`, and no lease runs out."""
        return _ids(await conn.fetch(JOIN_BATCH, owner, list(ids), batch, now))

    async def recover(
        self,
        conn: Source,
        now: datetime,
        *,
        channels: Collection[str],
        keyed: Collection[str],
        batching: Collection[str] = (),
    ) -> list[Delivery]:
        """Free what a dead dispatcher held: queued again for providers that know a key, else `unknown`.

        Of the latter its owner may still say what came; see `finish`.
        Those of them that are `batching` have surely taken nothing of it: any provider may be next.
        """
        rows = await conn.fetch(RECOVER, now, list(channels), list(keyed), list(batching))
        return [stored(row) for row in rows]

    async def give_up(
        self,
        conn: Source,
        now: datetime,
        *,
        channels: Collection[str],
        providers: Collection[str],
        before: datetime,
    ) -> list[str]:
        """Let none wait for ever for a provider that is not among these, and has not come back since.

        Answers the channel of each that it ends.
        """
        rows = await conn.fetch(GIVE_UP, now, list(channels), list(providers), before)
        return [row["channel"] for row in rows]

    async def put_off(self, conn: Source, channel: str, address: str, until: datetime, now: datetime) -> None:
        """Let all that waits for an address wait longer."""
        await conn.execute(PUT_OFF, channel, address, until, now)

    async def release(self, conn: Source, user: str, now: datetime) -> None:
        """Let what somebody's quiet hours hold be decided about anew."""
        if await conn.fetch(RELEASE, user, now):
            await conn.execute(f"NOTIFY {WAKE}")

    async def readdress(self, conn: Source, channel: str, address: str, moved_to: str) -> None:
        """Send what waits for an address to the one it moved to."""
        await conn.execute(READDRESS, channel, address, moved_to)

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
    ) -> list[str]:
        """Withdraw what still waits of notifications that were read; answers the channel of each."""
        rows = await conn.fetch(DROP_FOR_READ, user, list(notifications), now)
        return [row["channel"] for row in rows]

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
