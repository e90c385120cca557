"""Owns email_batches: mails that go out as one call, kept as they are until their fate is known."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from schemas.db import Connection, Source
from schemas.store import delivery_records as records
from schemas.store.delivery_records import Delivery

# By the database's clock, which all dispatchers share.
LEASED: Final = "clock_timestamp() + make_interval(secs => {})"
COLUMNS: Final = "b.id, b.provider, b.mails, b.deliveries, b.attempts, b.created_at"

STORE: Final = f"""
INSERT INTO email_batches (id, provider, mails, deliveries, attempts, due_at, owner, lease_until, created_at)
VALUES ($1, $2, $3, $4, 1, $5, $6, {LEASED.format("$7::float8")}, $5)
"""
# As any deliveries are claimed, but for a batch that the same transaction makes: the one does not come about
# without the other, so there is no lease that could run out.
GATHER: Final = f"""
UPDATE deliveries d
SET status = 'sending', owner = $1::uuid::text, batch_id = $1, lease_until = NULL, updated_at = $2,
    provider = $3
FROM (SELECT due.id FROM generate_series(0, 2) AS p CROSS JOIN LATERAL (
          SELECT id FROM deliveries WHERE channel = 'email' AND priority = p AND due_at <= $2
          AND status IN ('queued', 'held') AND (provider IS NULL OR provider = $3)
          ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED) due
      LIMIT $4) taken
WHERE d.id = taken.id RETURNING {records.COLUMNS}
"""
CLAIM: Final = f"""
UPDATE email_batches b SET owner = $3, attempts = b.attempts + 1, lease_until = {LEASED.format("$4::float8")}
FROM (SELECT id, owner FROM email_batches
      WHERE state = 'open' AND provider = $1 AND due_at <= $2
        AND (lease_until IS NULL OR lease_until < clock_timestamp())
      ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) found
WHERE b.id = found.id
RETURNING {COLUMNS}, found.owner IS NOT NULL AS left_behind
"""
UNDER_WAY: Final = """
SELECT d.user_id
FROM email_batches b CROSS JOIN unnest(b.deliveries) AS m (id) JOIN deliveries d ON d.id = m.id
WHERE b.state = 'open' AND d.user_id = ANY($1) AND d.verification_id IS NULL
UNION
SELECT d.user_id FROM deliveries d
WHERE d.status = 'sending' AND d.lease_until IS NOT NULL AND d.channel = 'email'
  AND d.user_id = ANY($1) AND d.verification_id IS NULL AND d.id <> ALL($2)
"""
# A call may be under way at this moment; only a batch that nobody ever took was surely not sent, as earlier
# versions left some.
WITHDRAW: Final = """
WITH theirs AS (
    SELECT id, deliveries, attempts FROM email_batches
    WHERE state = 'open' AND id IN (SELECT batch_id FROM deliveries WHERE user_id = $1) FOR UPDATE
), ended AS (
    UPDATE email_batches b SET state = 'dead', mails = '[]', owner = NULL, lease_until = NULL
    FROM theirs t WHERE b.id = t.id
)
UPDATE deliveries d
SET status = CASE WHEN d.status <> 'sending' THEN d.status
                  WHEN t.attempts = 0 THEN 'queued' ELSE 'unknown' END,
    reason = CASE WHEN d.status = 'sending' AND t.attempts > 0 THEN 'batch_withdrawn' ELSE d.reason END,
    provider = CASE WHEN d.status = 'sending' AND t.attempts = 0 THEN NULL ELSE d.provider END,
    owner = NULL, lease_until = NULL, batch_id = NULL, updated_at = now()
FROM theirs t WHERE d.id = ANY(t.deliveries) AND d.batch_id = t.id
"""
GIVE_UP: Final = """
WITH stuck AS (
    SELECT id, deliveries, attempts FROM email_batches
    WHERE state = 'open' AND provider <> ALL($2) AND created_at < $3
      AND (lease_until IS NULL OR lease_until < clock_timestamp()) FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE email_batches b SET state = 'dead', mails = '[]', owner = NULL, lease_until = NULL
    FROM stuck s WHERE b.id = s.id
), freed AS (
    UPDATE deliveries d
    SET status = CASE WHEN d.status <> 'sending' THEN d.status
                      WHEN s.attempts = 0 THEN 'queued' ELSE 'unknown' END,
        reason = CASE WHEN d.status = 'sending' THEN 'provider_removed' ELSE d.reason END,
        provider = CASE WHEN d.status = 'sending' AND s.attempts = 0 THEN NULL ELSE d.provider END,
        owner = NULL, lease_until = NULL, batch_id = NULL, notes = d.notes + 1, updated_at = $1
    FROM stuck s WHERE d.id = ANY(s.deliveries) AND d.batch_id = s.id RETURNING d.*
), noted AS (
    INSERT INTO delivery_attempts (delivery_id, n, at, outcome, detail)
    SELECT id, notes, $1, 'provider_removed', 'the provider it waited for is not configured any more'
    FROM freed
)
SELECT count(*) FROM freed WHERE status = 'unknown' AND reason = 'provider_removed'
"""
MAKING: Final = 4_829_341  # the lock of whoever makes a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A call as it was stored: the mails, and the deliveries they are for in the same order."""

    id: UUID
    provider: str
    mails: list[Mapping[str, Any]]
    deliveries: list[UUID]
    attempts: int
    created_at: datetime
    left_behind: bool
    """Whoever had it before ended in the middle of sending it."""


class EmailBatches:
    """Leased by one dispatcher at a time; a method that takes an owner is without effect for any other."""

    async def gather(
        self, tx: Connection, batch: UUID, now: datetime, *, provider: str, limit: int
    ) -> list[Delivery]:
        """Claim what is due for a batch that the same transaction stores. The most urgent come first.

        `str(batch)` owns them; what the batch does not keep must be finished in that transaction, too.
        """
        rows = await tx.fetch(GATHER, batch, now, provider, limit)
        return sorted(map(records.stored, rows), key=lambda one: (one.priority, one.due_at))

    async def store(
        self,
        tx: Connection,
        batch: UUID,
        *,
        provider: str,
        mails: Mapping[UUID, Mapping[str, Any]],
        owner: str,
        now: datetime,
        lease_s: float,
    ) -> Batch:
        """Keep a batch, leased for its first attempt; `mails` by delivery.

        They are kept as text, in which nothing changes its place: a repeat is the very same.
        """
        bodies, deliveries = list(mails.values()), list(mails)
        text = orjson.dumps(bodies).decode()
        await tx.execute(STORE, batch, provider, text, deliveries, now, owner, lease_s)
        return Batch(
            id=batch,
            provider=provider,
            mails=bodies,
            deliveries=deliveries,
            attempts=1,
            created_at=now,
            left_behind=False,
        )

    async def one_at_a_time(self, tx: Connection) -> None:
        """Wait until nobody else makes a batch or claims mails: each must see whom those before write to."""
        await tx.execute("SELECT pg_advisory_xact_lock($1)", MAKING)

    async def under_way(self, tx: Connection, claimed: Sequence[Delivery]) -> set[str]:
        """Answer to whom of these a mail is on its way, apart from what was just claimed for them."""
        users, ids = {one.user_id for one in claimed}, [one.id for one in claimed]
        return {row["user_id"] for row in await tx.fetch(UNDER_WAY, [*users], ids)}

    async def due(self, source: Source, provider: str, now: datetime) -> bool:
        return bool(
            await source.fetchval(
                "SELECT EXISTS (SELECT FROM email_batches WHERE state = 'open' AND provider = $1"
                " AND due_at <= $2 AND (lease_until IS NULL OR lease_until < clock_timestamp()))",
                provider,
                now,
            )
        )

    async def claim(
        self, source: Source, provider: str, owner: str, now: datetime, lease_s: float
    ) -> Batch | None:
        """Take a batch that must be sent again: its own time has come, or its owner is gone."""
        row = await source.fetchrow(CLAIM, provider, now, owner, lease_s)
        return Batch(**{**row, "mails": orjson.loads(row["mails"])}) if row else None

    async def close(self, tx: Connection, batch: UUID, owner: str, state: str) -> bool:
        """End a batch and forget its bodies; False if somebody else has taken it over."""
        return bool(
            await tx.fetchval(
                "UPDATE email_batches SET state = $3, mails = '[]', owner = NULL, lease_until = NULL"
                " WHERE id = $1 AND owner = $2 AND state = 'open' RETURNING true",
                batch,
                owner,
                state,
            )
        )

    async def wait(self, tx: Connection, batch: UUID, owner: str, until: datetime) -> bool:
        """Keep a batch for another attempt; False if somebody else has taken it over."""
        return bool(
            await tx.fetchval(
                "UPDATE email_batches SET due_at = $3, owner = NULL, lease_until = NULL"
                " WHERE id = $1 AND owner = $2 AND state = 'open' RETURNING true",
                batch,
                owner,
                until,
            )
        )

    async def renew(self, source: Source, owner: str, batches: Sequence[UUID], lease_s: float) -> None:
        await source.execute(
            f"UPDATE email_batches SET lease_until = {LEASED.format('$2::float8')}"
            " WHERE id = ANY($3) AND owner = $1 AND state = 'open'",
            owner,
            lease_s,
            list(batches),
        )

    async def give_up(
        self, source: Source, now: datetime, *, providers: Collection[str], before: datetime
    ) -> int:
        """End what was made before for providers that are not among these; nobody will repeat it.

        Answers how many deliveries are `unknown` by that.
        """
        return int(await source.fetchval(GIVE_UP, now, list(providers), before))

    async def withdraw(self, tx: Connection, user: str) -> None:
        """End the open batches with mails to a person; what they held of others is put back."""
        await self.one_at_a_time(tx)
        await tx.execute(WITHDRAW, user)
