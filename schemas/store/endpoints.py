"""Owns the rows of endpoints: the addresses at which people can be reached, and whether they may be used."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.db import Connection, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEndpoint:
    """An address that a person brings; `state` is `pending` until it is verified."""

    id: UUID
    user_id: str
    channel: str
    address: str
    state: str
    kind: str | None = None
    platform: str | None = None
    name: str | None = None
    of_profile: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEndpoint(NewEndpoint):
    """An endpoint as it stands; `of_profile` when the platform named it in the person's profile."""

    of_profile: bool
    retired_reason: str | None
    created_at: datetime
    verified_at: datetime | None
    used_at: datetime | None


FIELDS: Final = tuple(field.name for field in fields(StoredEndpoint))
COLUMNS: Final = ", ".join(FIELDS)

# Brought again, an address that was given up counts anew; one that is active stays so. When it was proved
# last stays known while it is pending again: it is no stranger's.
PUT: Final = f"""
INSERT INTO endpoints AS e (id, user_id, channel, address, state, kind, platform, name, created_at,
                            verified_at, of_profile)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $5 = 'active' THEN $9::timestamptz END, $10)
ON CONFLICT (user_id, channel, address) DO UPDATE SET
    state = CASE WHEN e.state = 'active' THEN e.state ELSE excluded.state END,
    verified_at = CASE WHEN e.state = 'active' THEN e.verified_at
                       ELSE coalesce(excluded.verified_at, e.verified_at) END,
    retired_reason = NULL, kind = excluded.kind, platform = excluded.platform, name = excluded.name,
    of_profile = e.of_profile OR excluded.of_profile
RETURNING {COLUMNS}
"""
# For `Users.put`, which hands in $1 the user, $6 the e-mail address and $7 the phone number. What a bounce
# retired stays so while the profile names the same address; the old address of a changed profile goes.
# What the person removed stays removed, whatever the platform tells: only they can bring it again.
REMOVED: Final = "removed"
OUT_OF_SIGHT: Final = (REMOVED, "replaced")
"""Why an endpoint may be given up that its owner need not be told of."""
KEPT_AWAY: Final = f"e.state = 'retired' AND e.retired_reason = '{REMOVED}'"
OF_PROFILE: Final = f"""
given AS (
    SELECT * FROM (VALUES ('email', $6::text), ('sms', $7::text)) AS g (channel, address)
    WHERE address IS NOT NULL
), replaced AS (
    UPDATE endpoints e SET state = 'retired', of_profile = false,
        retired_reason = CASE WHEN {KEPT_AWAY} THEN e.retired_reason ELSE 'replaced' END
    WHERE e.user_id = $1 AND e.of_profile
      AND NOT EXISTS (SELECT FROM given g WHERE g.channel = e.channel AND g.address = e.address)
), named AS (
    INSERT INTO endpoints AS e (id, user_id, channel, address, state, of_profile, verified_at)
    SELECT gen_random_uuid(), $1, channel, address, 'active', true, now() FROM given
    ON CONFLICT (user_id, channel, address) DO UPDATE SET
        state = CASE WHEN {KEPT_AWAY} THEN e.state ELSE 'active' END,
        retired_reason = CASE WHEN {KEPT_AWAY} THEN e.retired_reason END, of_profile = true,
        verified_at = coalesce(e.verified_at, excluded.verified_at)
    WHERE NOT e.of_profile
)
"""
ACTIVE: Final = f"""
SELECT {COLUMNS} FROM endpoints
WHERE user_id = ANY($1) AND state = 'active' AND ($2::text[] IS NULL OR channel = ANY($2))
ORDER BY user_id, channel, created_at, id
"""
MOVE: Final = """
WITH known AS (
    UPDATE endpoints e SET state = 'retired', retired_reason = 'moved'
    WHERE channel = $1 AND address = $2 AND state <> 'retired'
      AND EXISTS (SELECT FROM endpoints o WHERE o.user_id = e.user_id AND o.channel = $1 AND o.address = $3)
)
UPDATE endpoints e SET address = $3
WHERE channel = $1 AND address = $2
  AND NOT EXISTS (SELECT FROM endpoints o WHERE o.user_id = e.user_id AND o.channel = $1 AND o.address = $3)
"""


class Endpoints:
    """The addresses of people."""

    async def lock(self, tx: Connection, user: str) -> None:
        """Keep others from adding to a person's endpoints until the transaction ends."""
        await tx.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", user)

    async def put(self, conn: Source, endpoint: NewEndpoint, now: datetime) -> StoredEndpoint:
        """Add an address, or take up again the one the person brought before (with the id from then)."""
        row = await conn.fetchrow(
            PUT,
            endpoint.id,
            endpoint.user_id,
            endpoint.channel,
            endpoint.address,
            endpoint.state,
            endpoint.kind,
            endpoint.platform,
            endpoint.name,
            now,
            endpoint.of_profile,
        )
        return StoredEndpoint(**dict(row.items() if row is not None else ()))

    async def of_user(self, conn: Source, user: str) -> list[StoredEndpoint]:
        """Answer a person's endpoints, the oldest first."""
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM endpoints WHERE user_id = $1 ORDER BY created_at, id", user
        )
        return [StoredEndpoint(**row) for row in rows]

    async def active(
        self, conn: Source, users: Sequence[str], channels: Sequence[str] | None = None
    ) -> list[StoredEndpoint]:
        """Answer the endpoints of people that may be used (on these channels, else on all), by person."""
        rows = await conn.fetch(ACTIVE, list(users), None if channels is None else list(channels))
        # By their places: looking each up by its name takes several times as long.
        return [StoredEndpoint(**dict(zip(FIELDS, row.values(), strict=True))) for row in rows]

    async def get(self, conn: Source, endpoint: UUID) -> StoredEndpoint | None:
        row = await conn.fetchrow(f"SELECT {COLUMNS} FROM endpoints WHERE id = $1", endpoint)
        return StoredEndpoint(**row) if row else None

    async def get_many(self, conn: Source, ids: Sequence[UUID]) -> dict[UUID, StoredEndpoint]:
        rows = await conn.fetch(f"SELECT {COLUMNS} FROM endpoints WHERE id = ANY($1)", list(ids))
        return {row["id"]: StoredEndpoint(**row) for row in rows}

    async def verify(self, conn: Source, user: str, endpoint: UUID, now: datetime) -> StoredEndpoint | None:
        """Note that the address is the person's; None if it is not pending."""
        row = await conn.fetchrow(
            "UPDATE endpoints SET state = 'active', verified_at = $3 WHERE user_id = $1 AND id = $2"
            f" AND state = 'pending' RETURNING {COLUMNS}",
            user,
            endpoint,
            now,
        )
        return StoredEndpoint(**row) if row else None

    async def rename(
        self, conn: Source, user: str, endpoint: UUID, name: str | None
    ) -> StoredEndpoint | None:
        """Call it something else; None if the person has none of this id in use."""
        row = await conn.fetchrow(
            "UPDATE endpoints SET name = $3 WHERE user_id = $1 AND id = $2 AND state <> 'retired'"
            f" RETURNING {COLUMNS}",
            user,
            endpoint,
            name,
        )
        return StoredEndpoint(**row) if row else None

    async def retire(self, conn: Source, user: str, endpoint: UUID, reason: str) -> StoredEndpoint | None:
        """Give up an endpoint; None if the person has none of this id in use."""
        row = await conn.fetchrow(
            "UPDATE endpoints SET state = 'retired', retired_reason = $3 WHERE user_id = $1 AND id = $2"
            f" AND state <> 'retired' RETURNING {COLUMNS}",
            user,
            endpoint,
            reason,
        )
        return StoredEndpoint(**row) if row else None

    async def doubt(self, conn: Source, user: str, channel: str, address: str) -> None:
        """Let a person prove an address anew that is in use."""
        await conn.execute(
            "UPDATE endpoints SET state = 'pending' WHERE user_id = $1 AND channel = $2 AND address = $3"
            " AND state = 'active'",
            user,
            channel,
            address,
        )

    async def move(self, conn: Source, channel: str, address: str, moved_to: str) -> None:
        """Note that an address has become another; whoever has that one already gives up the old one."""
        await conn.execute(MOVE, channel, address, moved_to)

    async def dismiss(self, conn: Source, user: str, endpoint: UUID) -> bool:
        """Take one that was given up out of the person's sight; False if there is no such."""
        return bool(
            await conn.fetchval(
                f"UPDATE endpoints SET retired_reason = '{REMOVED}' WHERE user_id = $1 AND id = $2"
                " AND state = 'retired' AND coalesce(retired_reason, '') <> ALL($3) RETURNING true",
                user,
                endpoint,
                list(OUT_OF_SIGHT),
            )
        )

    async def retire_address(self, conn: Source, channel: str, address: str, reason: str) -> list[str]:
        """Give up an address for whoever has it; answers the users."""
        rows = await conn.fetch(
            "UPDATE endpoints SET state = 'retired', retired_reason = $3"
            " WHERE channel = $1 AND address = $2 AND state <> 'retired' RETURNING user_id",
            channel,
            address,
            reason,
        )
        return [row["user_id"] for row in rows]

    async def owners(self, conn: Source, channel: str, address: str) -> list[str]:
        """Answer the users who can be reached at an address."""
        rows = await conn.fetch(
            "SELECT user_id FROM endpoints WHERE channel = $1 AND address = $2 AND state = 'active'",
            channel,
            address,
        )
        return [row["user_id"] for row in rows]

    async def take_up_again(
        self, conn: Source, channel: str, address: str, reason: str, now: datetime
    ) -> str | None:
        """Use an address again that was given up for this reason; answers whose it is.

        It is that of whoever had it last, and stays given up if they did so for another reason.
        """
        user: str | None = await conn.fetchval(
            "UPDATE endpoints SET state = 'active', retired_reason = NULL, verified_at = $4"
            " WHERE state = 'retired' AND retired_reason = $3 AND id ="
            " (SELECT id FROM endpoints WHERE channel = $1 AND address = $2"
            "  ORDER BY state = 'active' DESC, verified_at DESC NULLS LAST LIMIT 1) RETURNING user_id",
            channel,
            address,
            reason,
            now,
        )
        return user
