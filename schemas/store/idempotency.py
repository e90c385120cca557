"""Owns remembered answers: one row per principal and Idempotency-Key."""

from collections.abc import Mapping
from typing import Any

from schemas.db import Connection

KEPT = "24 hours"


class KeyReusedError(Exception):
    """The key was used for another body."""


class IdempotencyKeys:
    """Claims a key inside the caller's transaction, so that the answer and its effects commit together."""

    async def claim(
        self, tx: Connection, principal: str, key: str, body_hash: bytes
    ) -> Mapping[str, Any] | None:
        """None if the key is ours now, else the answer given before; raises KeyReusedError.

        While another transaction holds the key, the INSERT waits for it: if that one commits, its answer
        is found below; if it fails, the key is ours.
        """
        ours = await tx.fetchval(
            f"""
            INSERT INTO idempotency_keys AS k (principal, key, body_hash) VALUES ($1, $2, $3)
            ON CONFLICT (principal, key) DO UPDATE
                SET body_hash = excluded.body_hash, response = NULL, created_at = now()
                WHERE k.created_at < now() - interval '{KEPT}'
            RETURNING true
            """,
            principal,
            key,
            body_hash,
        )
        if ours:
            return None
        row = await tx.fetchrow(
            "SELECT body_hash, response FROM idempotency_keys WHERE principal = $1 AND key = $2",
            principal,
            key,
        )
        if row is None or row["body_hash"] != body_hash:
            raise KeyReusedError
        answer: Mapping[str, Any] = row["response"]
        return answer

    async def store(self, tx: Connection, principal: str, key: str, response: Mapping[str, Any]) -> None:
        await tx.execute(
            "UPDATE idempotency_keys SET response = $3 WHERE principal = $1 AND key = $2",
            principal,
            key,
            response,
        )
