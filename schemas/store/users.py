"""Owns the rows of users; one statement per method."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from asyncpg import Record

from schemas.db import Source
from schemas.profile import Profile
from schemas.store.endpoints import OF_PROFILE

Bearer = tuple[str, str | None, str | None]
"""The id, name and time zone that a token tells."""


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

    @property
    def is_bare(self) -> bool:
        """Nobody has told anything about them yet: an event or a token without a name made them exist."""
        told = (self.handle, self.name, self.tz, self.locale, self.email, self.phone)
        return not any(told) and not self.roles and self.updated_at == self.created_at


# By name: with `*`, a column that a newer hub adds would break the older ones beside it.
COLUMNS: Final = ", ".join(field.name for field in fields(User))


class Users:
    """The people the hub knows; created at first sight, told more by the platform."""

    async def get(self, conn: Source, user: str) -> User | None:
        return _user(await conn.fetchrow(f"SELECT {COLUMNS} FROM users WHERE id = $1", user))

    async def get_many(self, conn: Source, users: Sequence[str]) -> dict[str, User]:
        """Answer those who are known, by id."""
        rows = await conn.fetch(f"SELECT {COLUMNS} FROM users WHERE id = ANY($1)", users)
        return {row["id"]: User(**_members(row)) for row in rows}

    async def standing(
        self, conn: Source, users: Collection[str]
    ) -> dict[str, tuple[str | None, str | None, bool]]:
        """Answer time zone and locale of those who are known, and whether they are suspended."""
        rows = await conn.fetch(
            "SELECT id, tz, locale, suspended_at IS NOT NULL AS suspended FROM users WHERE id = ANY($1)",
            list(users),
        )
        return {row["id"]: (row["tz"], row["locale"], row["suspended"]) for row in rows}

    async def names(self, conn: Source, users: Collection[str]) -> dict[str, str]:
        """Answer the names to show of those who have one, or a handle."""
        rows = await conn.fetch(
            "SELECT id, coalesce(name, handle) AS name FROM users"
            " WHERE id = ANY($1) AND coalesce(name, handle) IS NOT NULL",
            list(users),
        )
        return {row["id"]: row["name"] for row in rows}

    async def list(self, conn: Source, *, after: str = "", limit: int = 100) -> list[User]:
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM users WHERE id > $1 ORDER BY id LIMIT $2", after, limit
        )
        return [User(**_members(row)) for row in rows]

    async def put(self, conn: Source, user: str, profile: Profile) -> tuple[User, bool]:
        """Replace the whole profile; also answers whether the user is new.

        An address that stays the same keeps the time at which it was verified. E-mail and phone become
        endpoints in the same statement, and those that they replace are retired.
        """
        row = await conn.fetchrow(
            f"""
            WITH {OF_PROFILE}
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
            RETURNING {COLUMNS}, xmax = 0 AS created
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
            f"""
            UPDATE users SET
                handle = CASE WHEN $2::jsonb ? 'handle' THEN $2 ->> 'handle' ELSE handle END,
                name   = CASE WHEN $2 ? 'name'   THEN $2 ->> 'name'   ELSE name END,
                tz     = CASE WHEN $2 ? 'tz'     THEN $2 ->> 'tz'     ELSE tz END,
                locale = CASE WHEN $2 ? 'locale' THEN $2 ->> 'locale' ELSE locale END,
                updated_at = now()
            WHERE id = $1 RETURNING {COLUMNS}
            """,
            user,
            dict(changes),
        )
        return _user(row)

    async def create_many(self, conn: Source, bearers: Iterable[Bearer]) -> dict[str, User]:
        """Make bearers exist who are not known yet; answers those who are new, by id."""
        told = {user: (user, name, tz) for user, name, tz in bearers}
        columns = zip(*(told[user] for user in sorted(told)), strict=True)  # in order, against deadlocks
        rows = await conn.fetch(
            f"""
            INSERT INTO users (id, name, tz) SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
            ON CONFLICT (id) DO NOTHING RETURNING {COLUMNS}
            """,
            *columns,
        )
        return {row["id"]: User(**_members(row)) for row in rows}

    async def greet(self, conn: Source, user: str, *, name: str | None, tz: str | None) -> User:
        """Make the bearer of a token exist.

        What the token tells counts for someone of whom nothing is known yet; else it changes nothing,
        and costs one statement.
        """
        known = await self.get(conn, user)
        if known is not None and not (known.is_bare and (name or tz)):
            return known
        row = await conn.fetchrow(
            f"""
            INSERT INTO users AS u (id, name, tz) VALUES ($1, $2, $3)
            ON CONFLICT (id) DO UPDATE SET name = excluded.name, tz = excluded.tz, updated_at = now()
            WHERE coalesce(u.handle, u.name, u.tz, u.locale, u.email, u.phone) IS NULL
              AND u.roles = '{{}}' AND u.updated_at = u.created_at
              AND (excluded.name IS NOT NULL OR excluded.tz IS NOT NULL)
            RETURNING {COLUMNS}
            """,
            user,
            name,
            tz,
        )
        # None: someone else came between the two statements, and the next look sees what they wrote.
        return _user(row) or await self.greet(conn, user, name=name, tz=tz)

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
