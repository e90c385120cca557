"""Owns how deliveries are read: one, a page of them, those of an event or a person, and their records."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.db import Row, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """Something for one endpoint, to be sent at `due_at`; `held` tells that it waits on purpose.

    It is of an event with its notification, of a digest, or of a verification; the topics of the latter two
    are `digest` and `verification`.
    """

    id: UUID
    user_id: str
    topic: str
    priority: int
    channel: str
    endpoint_id: UUID
    address: str
    status: str
    due_at: datetime
    created_at: datetime
    event_id: UUID | None = None
    notification_id: UUID | None = None
    digest_id: UUID | None = None
    verification_id: UUID | None = None
    reason: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(NewDelivery):
    """A delivery as it stands."""

    attempts: int
    notes: int
    """Lines of its record."""
    owner: str | None
    lease_until: datetime | None
    batch_id: UUID | None
    provider: str | None
    provider_ref: str | None
    updated_at: datetime
    sent_at: datetime | None
    tried_since: datetime | None
    """None until an attempt failed; later than that by what it has waited apart from its attempts."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of a delivery's record."""

    delivery_id: UUID
    at: datetime
    outcome: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which deliveries to list; what is None does not matter."""

    status: str | None = None
    channel: str | None = None
    topic: str | None = None
    user: str | None = None
    event_id: UUID | None = None


NAMES: Final = tuple(field.name for field in fields(Delivery))
COLUMNS: Final = ", ".join(f"d.{name}" for name in NAMES)
# Ids are made in the order of time.
LIST: Final = f"""
SELECT {COLUMNS} FROM deliveries d
WHERE {{}} AND ($2::text IS NULL OR d.channel = $2)
  AND ($3::text IS NULL OR d.topic = $3) AND ($4::text IS NULL OR d.user_id = $4)
  AND ($5::uuid IS NULL OR d.event_id = $5)
  AND ($6::uuid IS NULL OR d.id < $6)
ORDER BY d.id DESC LIMIT $7
"""
ANY_STATUS: Final = "($1::text IS NULL OR d.status = $1)"
ENDED: Final = ("failed", "unknown")
OF_ENDED: Final = f"d.status = $1 AND d.status IN {ENDED}"
"""These have an index, which a plan for any status could not use."""
LAST_MAILS: Final = """
SELECT u AS user_id, d.sent_at FROM unnest($1::text[]) AS u CROSS JOIN LATERAL (
    SELECT sent_at FROM deliveries WHERE user_id = u AND channel = 'email' AND sent_at IS NOT NULL
      AND verification_id IS NULL  -- a code is no news: it keeps nothing else waiting
    ORDER BY sent_at DESC LIMIT 1) d
"""


class DeliveryRecords:
    """What is known of deliveries; nothing is changed here."""

    async def get(self, conn: Source, delivery: UUID) -> Delivery | None:
        row = await conn.fetchrow(f"SELECT {COLUMNS} FROM deliveries d WHERE d.id = $1", delivery)
        return stored(row) if row else None

    async def get_many(self, conn: Source, ids: Sequence[UUID]) -> list[Delivery]:
        rows = await conn.fetch(f"SELECT {COLUMNS} FROM deliveries d WHERE d.id = ANY($1)", list(ids))
        return [stored(row) for row in rows]

    async def page(
        self, conn: Source, wanted: Filter, *, before: UUID | None = None, limit: int = 50
    ) -> list[Delivery]:
        """Answer deliveries, the newest first; `before` is the last one of a page."""
        query = LIST.format(OF_ENDED if wanted.status in ENDED else ANY_STATUS)
        rows = await conn.fetch(query, *astuple(wanted), before, limit)
        return [stored(row) for row in rows]

    async def of_event(
        self, conn: Source, event_id: UUID, users: Sequence[str] | None = None
    ) -> list[Delivery]:
        """Answer an event's deliveries (to some users), by user."""
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM deliveries d WHERE d.event_id = $1"
            " AND ($2::text[] IS NULL OR d.user_id = ANY($2)) ORDER BY d.user_id, d.created_at, d.id",
            event_id,
            None if users is None else list(users),
        )
        return [stored(row) for row in rows]

    async def of_user(self, conn: Source, user: str, events: Sequence[UUID]) -> list[Delivery]:
        """Answer a person's deliveries upon some events."""
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM deliveries d WHERE d.event_id = ANY($2) AND d.user_id = $1"
            " ORDER BY d.created_at, d.id",
            user,
            list(events),
        )
        return [stored(row) for row in rows]

    async def attempts(self, conn: Source, ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
        """Answer the records of deliveries, by their times: a webhook may be noted before the answer."""
        rows = await conn.fetch(
            "SELECT delivery_id, at, outcome, detail FROM delivery_attempts"
            " WHERE delivery_id = ANY($1) ORDER BY delivery_id, at, n",
            list(ids),
        )
        found: dict[UUID, list[Attempt]] = {}
        for row in rows:
            found.setdefault(row["delivery_id"], []).append(Attempt(**row))
        return found

    async def last_mails(self, conn: Source, users: Sequence[str]) -> dict[str, datetime]:
        """Answer when each person got the last e-mail, for those who got any."""
        return {row["user_id"]: row["sent_at"] for row in await conn.fetch(LAST_MAILS, list(users))}


def stored(row: Row) -> Delivery:
    """A row with COLUMNS; by their places, as looking each up by its name takes several times as long."""
    return Delivery(**dict(zip(NAMES, row.values(), strict=True)))
