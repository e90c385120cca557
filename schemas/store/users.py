"""Owns the rows of users; one statement per method."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asyncpg import Record

from schemas.db import Source
from schemas.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a service the hub has heard of."""

    id: str
    handle: str | None
    name: str | None
    tz: str | None
    locale: str | None
    email: str | None
    email_verified_at: datetime | None
    phone: str | None
    phone_verified_at: datetime | None
    roles: tuple[str, ...]
    suspended_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Users:
    """The people the hub knows; created at first sight, told more by the platform."""

    async def get(self, conn: Source, user: str) -> User | None:
        return _user(await conn.fetchrow("SELECT * FROM users WHERE id = $1", user))

    async def list(self, conn: Source, *, after: str = "", limit: int = 100) -> list[User]:
        rows = await conn.fetch("SELECT * FROM users WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
        return [User(**_members(row)) for row in rows]

    async def put(self, conn: Source, user: str, profile: Profile) -> tuple[User, bool]:
        """Replace the whole profile; also answers whether the user is new.

        An address that stays the same keeps the time at which it was verified.
        """
        row = await conn.fetchrow(
            """
            INSERT INTO users AS u (id, handle, name, tz, locale, email, email_verified_at,
                                    phone, phone_verified_at, roles)
            VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $6::text IS NOT NULL THEN now() END,
                    $7, CASE WHEN $7::text IS NOT NULL THEN now() END, $8)
            ON CONFLICT (id) DO UPDATE SET
                handle = excluded.handle, name = excluded.name, tz = excluded.tz, locale = excluded.locale,
                email = excluded.email, phone = excluded.phone, roles = excluded.roles, updated_at = now(),
                email_verified_at = CASE WHEN u.email = excluded.email AND u.email_verified_at IS NOT NULL
                                         THEN u.email_verified_at ELSE excluded.email_verified_at END,
                phone_verified_at = CASE WHEN u.phone = excluded.phone AND u.phone_verified_at IS NOT NULL
                                         THEN u.phone_verified_at ELSE excluded.phone_verified_at END
            RETURNING u.*, xmax = 0 AS created
            """,
            user,
            profile.handle,
            profile.name,
            profile.tz,
            profile.locale,
            profile.email,
            profile.phone,
            list(profile.roles),
        )
        members = _members(row)
        created = bool(members.pop("created"))
        return User(**members), created

    async def patch(self, conn: Source, user: str, changes: Mapping[str, str | None]) -> User | None:
        """Set some of handle, name, tz and locale; None takes the value away."""
        row = await conn.fetchrow(
            """
            UPDATE users SET
                handle = CASE WHEN $2::jsonb ? 'handle' THEN $2 ->> 'handle' ELSE handle END,
                name   = CASE WHEN $2 ? 'name'   THEN $2 ->> 'name'   ELSE name END,
                tz     = CASE WHEN $2 ? 'tz'     THEN $2 ->> 'tz'     ELSE tz END,
                locale = CASE WHEN $2 ? 'locale' THEN $2 ->> 'locale' ELSE locale END,
                updated_at = now()
            WHERE id = $1 RETURNING *
            """,
            user,
            dict(changes),
        )
        return _user(row)

    async def greet(self, conn: Source, user: str, *, name: str | None, tz: str | None) -> User:
        """Make the bearer of a token exist, with what the token tells; a known user keeps what is there."""
        row = await conn.fetchrow(
            """
            WITH new AS (
                INSERT INTO users (id, name, tz) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING *
            )
            SELECT * FROM new UNION ALL SELECT * FROM users WHERE id = $1 LIMIT 1
            """,
            user,
            name,
            tz,
        )
        # Created by someone else between the two halves: a fresh statement sees it.
        return _user(row) or User(**_members(await conn.fetchrow("SELECT * FROM users WHERE id = $1", user)))

    async def suspended(self, conn: Source, user: str) -> bool:
        return bool(await conn.fetchval("SELECT suspended_at IS NOT NULL FROM users WHERE id = $1", user))

    async def suspend(self, conn: Source, user: str) -> bool:
        """Suspend a user, known or not; False if it was so already."""
        return bool(
            await conn.fetchval(
                """
                INSERT INTO users AS u (id, suspended_at) VALUES ($1, now())
                ON CONFLICT (id) DO UPDATE SET suspended_at = now(), updated_at = now()
                WHERE u.suspended_at IS NULL RETURNING true
                """,
                user,
            )
        )

    async def resume(self, conn: Source, user: str) -> bool:
        """Let a suspended user back in; False if there was nothing to lift."""
        return bool(
            await conn.fetchval(
                """
                UPDATE users SET suspended_at = NULL, updated_at = now()
                WHERE id = $1 AND suspended_at IS NOT NULL RETURNING true
                """,
                user,
            )
        )


def _user(row: Record | None) -> User | None:
    return User(**_members(row)) if row is not None else None


def _members(row: Record | None) -> dict[str, Any]:
    members = dict(row.items() if row is not None else ())
    return {**members, "roles": tuple(members["roles"])}
