"""Owns the rows of verifications: when a proof of which address was asked for, tried and given."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.db import Connection, Row, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One code or link. `quiet`: nothing was sent, so nobody can know it, whatever they bring."""

    id: UUID
    user_id: str
    endpoint_id: UUID
    channel: str
    address: str
    created_at: datetime
    expires_at: datetime
    tries: int = 0
    quiet: bool = False
    used_at: datetime | None = None


NAMES: Final = tuple(field.name for field in fields(Verification))
COLUMNS: Final = ", ".join(f"v.{name}" for name in NAMES)
ADD: Final = f"""
INSERT INTO verifications ({", ".join(NAMES)}) VALUES ({", ".join(f"${n + 1}" for n in range(len(NAMES)))})
"""
LATEST: Final = f"""
SELECT {COLUMNS} FROM verifications v WHERE v.endpoint_id = $1
ORDER BY v.created_at DESC, v.id DESC LIMIT 1
"""
LAST_OF_EACH: Final = f"""
SELECT DISTINCT ON (v.endpoint_id) {COLUMNS} FROM verifications v WHERE v.user_id = $1 AND v.created_at > $2
ORDER BY v.endpoint_id, v.created_at DESC, v.id DESC
"""
# What may still be said: the last one of an endpoint that waits for it.
WANTED: Final = f"""
SELECT {COLUMNS} FROM verifications v
JOIN endpoints e ON e.id = v.endpoint_id AND e.user_id = v.user_id AND e.state = 'pending'
WHERE v.id = ANY($1) AND v.used_at IS NULL AND v.expires_at > $2 AND NOT v.quiet
  AND NOT EXISTS (SELECT FROM verifications l WHERE l.endpoint_id = v.endpoint_id
                  AND (l.created_at, l.id) > (v.created_at, v.id))
"""


class Verifications:
    """Of an endpoint only the last one counts."""

    async def add(self, tx: Connection, one: Verification) -> None:
        await tx.execute(ADD, *(getattr(one, name) for name in NAMES))

    async def lock_address(self, tx: Connection, channel: str, address: str) -> None:
        """Let people who ask for proofs of one address do so one after the other."""
        await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"{channel} {address}")

    async def latest(self, conn: Source, endpoint: UUID) -> Verification | None:
        row = await conn.fetchrow(LATEST, endpoint)
        return _verification(row) if row else None

    async def take_latest(self, tx: Connection, endpoint: UUID) -> Verification | None:
        """The same for one who tries it: who tries at the same moment counts one after the other."""
        row = await tx.fetchrow(f"{LATEST} FOR UPDATE", endpoint)
        return _verification(row) if row else None

    async def get(self, conn: Source, verification: UUID) -> Verification | None:
        row = await conn.fetchrow(f"SELECT {COLUMNS} FROM verifications v WHERE v.id = $1", verification)
        return _verification(row) if row else None

    async def wanted(self, conn: Source, ids: Collection[UUID], now: datetime) -> list[Verification]:
        """Answer those of which the code may still be said."""
        return [_verification(row) for row in await conn.fetch(WANTED, list(ids), now)]

    async def last_of_each(self, conn: Source, user: str, since: datetime) -> dict[UUID, Verification]:
        """Answer the last one of each of a person's endpoints, by endpoint."""
        rows = await conn.fetch(LAST_OF_EACH, user, since)
        return {row["endpoint_id"]: _verification(row) for row in rows}

    async def asked(self, conn: Source, user: str, since: datetime) -> list[tuple[UUID, datetime]]:
        """Answer for which endpoints a person asked, and when, the latest first."""
        rows = await conn.fetch(
            "SELECT endpoint_id, created_at FROM verifications WHERE user_id = $1 AND created_at > $2"
            " ORDER BY created_at DESC",
            user,
            since,
        )
        return [(row["endpoint_id"], row["created_at"]) for row in rows]

    async def sent_to(
        self, conn: Source, channel: str, address: str, since: datetime
    ) -> list[tuple[str, datetime]]:
        """Answer for whom messages were sent to an address, and when."""
        rows = await conn.fetch(
            "SELECT user_id, created_at FROM verifications"
            " WHERE channel = $1 AND address = $2 AND created_at > $3 AND NOT quiet",
            channel,
            address,
            since,
        )
        return [(row["user_id"], row["created_at"]) for row in rows]

    async def was_taken_back(self, conn: Source, one: Verification) -> bool:
        """Whether nothing went out of it after all, and nothing will."""
        return bool(
            await conn.fetchval(
                "SELECT bool_and(status = 'dropped') FROM deliveries"
                " WHERE user_id = $1 AND notification_id IS NULL AND verification_id = $2",
                one.user_id,
                one.id,
            )
        )

    async def miss(self, tx: Connection, verification: UUID) -> None:
        """Count a wrong try."""
        await tx.execute("UPDATE verifications SET tries = tries + 1 WHERE id = $1", verification)

    async def use(self, tx: Connection, verification: UUID, now: datetime) -> None:
        await tx.execute("UPDATE verifications SET used_at = $2 WHERE id = $1", verification, now)


def _verification(row: Row) -> Verification:
    return Verification(**dict(row.items()))
