"""Owns the rows of preferences: only what people said, never the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.db import Connection, Source

Document = Mapping[str, Any]


class PreferenceDocuments:
    """One document for each person who said anything."""

    async def get(self, conn: Source, user: str) -> Document:
        """Answer what a person said; an empty document when they said nothing."""
        found: Document | None = await conn.fetchval(
            "SELECT document FROM preferences WHERE user_id = $1", user
        )
        return found or {}

    async def get_many(self, conn: Source, users: Sequence[str]) -> dict[str, Document]:
        """Answer the documents of those who have one."""
        rows = await conn.fetch(
            "SELECT user_id, document FROM preferences WHERE user_id = ANY($1)", list(users)
        )
        return {row["user_id"]: row["document"] for row in rows}

    async def lock(self, tx: Connection, user: str) -> Document:
        """Answer what a person said, and keep others from changing it until the transaction ends."""
        found: Document = await tx.fetchval(
            "INSERT INTO preferences (user_id, document) VALUES ($1, '{}')"
            " ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id RETURNING document",
            user,
        )
        return found

    async def put(self, conn: Source, user: str, document: Document) -> None:
        """Replace what a person said."""
        await conn.execute(
            "INSERT INTO preferences (user_id, document) VALUES ($1, $2)"
            " ON CONFLICT (user_id) DO UPDATE SET document = excluded.document, updated_at = now()",
            user,
            dict(document),
        )
