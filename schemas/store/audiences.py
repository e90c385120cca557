"""Owns who belongs to which audience: followers and subscribers of people, members of zones and others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.db import Connection, Source

# In order, so that two writers wait for each other and never deadlock.
JOIN: Final = """
INSERT INTO audience_members (kind, target, member)
SELECT DISTINCT * FROM unnest($1::text[], $2::text[], $3::text[]) AS g (kind, target, member) ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
"""
LEAVE: Final = """
DELETE FROM audience_members a WHERE (a.kind, a.target, a.member) IN (
    SELECT kind, target, member FROM audience_members
    WHERE (kind, target, member) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
    ORDER BY 1, 2, 3 FOR UPDATE)
"""


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """One person in one audience; kinds are followers, subscribers, zone and conversation."""

    kind: str
    target: str
    member: str


class Audiences:
    """Who is to hear of something, page by page."""

    async def join(self, tx: Connection, joined: Sequence[Membership]) -> None:
        await tx.execute(JOIN, *_columns(joined))

    async def leave(self, tx: Connection, left: Sequence[Membership]) -> None:
        await tx.execute(LEAVE, *_columns(left))

    async def page(self, conn: Source, kind: str, target: str, after: str, limit: int) -> list[str]:
        """Answer up to `limit` members above one, in order."""
        rows = await conn.fetch(
            "SELECT member FROM audience_members WHERE kind = $1 AND target = $2 AND member > $3"
            " ORDER BY member LIMIT $4",
            kind,
            target,
            after,
            limit,
        )
        return [row["member"] for row in rows]

    async def everyone(self, conn: Source, after: str, limit: int) -> list[str]:
        """Answer up to `limit` people above one, in order."""
        rows = await conn.fetch("SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2", after, limit)
        return [row["id"] for row in rows]


def _columns(memberships: Sequence[Membership]) -> tuple[list[str], list[str], list[str]]:
    return (
        [one.kind for one in memberships],
        [one.target for one in memberships],
        [one.member for one in memberships],
    )
