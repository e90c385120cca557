"""Owns the right to be forgotten: a person's id and words leave the log, the facts stay countable."""

import hashlib
from typing import Any, Final

import orjson

from schemas.db import Connection, Pool

AT_A_TIME: Final = 500
WORDS: Final = frozenset({"title", "text", "note", "handle", "url", "reason", "playback_url", "envelope"})
ERASED: Final = "[erased]"

FIND: Final = """
SELECT id, accepted_at, subject, actor, source, data FROM events
WHERE id = ANY(ARRAY(
    SELECT e.id FROM events e
    WHERE e.actor = $1 OR e.source = $1 OR right(e.subject, length($1) + 1) = ':' || $1
       OR jsonb_path_exists(e.data, '$.** ? (@ == $u)', jsonb_build_object('u', $1::text))
    LIMIT $2)) FOR UPDATE
"""
REWRITE: Final = """
UPDATE events SET subject = $3, actor = $4, source = $5, data = $6 WHERE accepted_at = $1 AND id = $2
"""


def tombstone(user: str) -> str:
    """Make the id that stands for an erased person: the same for all their events, not to be turned back."""
    return "erased:" + hashlib.sha256(orjson.dumps(["erased", user])).hexdigest()[:16]


async def erase_user(pool: Pool, user: str) -> int:
    """Rewrite the events that a user caused or that name the user; answers how many. May be repeated."""
    rewritten = 0
    while True:
        async with pool.acquire() as tx, tx.transaction():
            rows = await tx.fetch(FIND, user, AT_A_TIME)
            for row in rows:
                await _rewrite(tx, row, user)
            if not rows:
                await tx.execute("DELETE FROM users WHERE id = $1", user)
                await tx.execute("DELETE FROM idempotency_keys WHERE principal = $1", user)
                return rewritten
        rewritten += len(rows)


async def _rewrite(tx: Connection, row: Any, user: str) -> None:
    stands_for = tombstone(user)
    own = row["actor"] == user or user in (
        row["data"].get(key) for key in ("author", "sender", "user", "host")
    )
    subject = row["subject"]
    if subject.endswith(f":{user}"):
        subject = subject.removesuffix(user) + stands_for
    await tx.execute(
        REWRITE,
        row["accepted_at"],
        row["id"],
        subject,
        stands_for if row["actor"] == user else row["actor"],
        stands_for if row["source"] == user else row["source"],
        _without(row["data"], user, stands_for, own=own),
    )


def _without(value: Any, user: str, stands_for: str, *, own: bool) -> Any:
    """Replace the id everywhere, and the words where the person said them."""
    if isinstance(value, dict):
        return {
            key: ERASED
            if own and key in WORDS and isinstance(inner, str)
            else _without(inner, user, stands_for, own=own)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_without(inner, user, stands_for, own=own) for inner in value]
    return stands_for if value == user else value
