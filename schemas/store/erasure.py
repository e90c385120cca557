"""Owns the right to be forgotten: a person's id and words leave the log, the facts stay countable."""

import secrets
from typing import Any, Final

from schemas.db import Connection, Pool

AT_A_TIME: Final = 500
ERASED: Final = "[erased]"
# What is left must still be an event of its type: required words are replaced, optional ones left out.
REPLACED: Final = frozenset({"title", "text"})
LEFT_OUT: Final = frozenset({"note", "handle", "url", "reason", "playback_url", "envelope"})

FIND: Final = """
SELECT e.id, e.accepted_at, e.subject, e.actor, e.source, e.data
FROM event_people p JOIN events e ON e.id = p.event_id AND e.accepted_at = p.accepted_at
WHERE p.user_id = $1 ORDER BY p.accepted_at, p.event_id LIMIT $2 FOR UPDATE OF e
"""
FORGET: Final = """
DELETE FROM event_people WHERE user_id = $1
AND (accepted_at, event_id) IN (SELECT * FROM unnest($2::timestamptz[], $3::uuid[]))
"""
REWRITE: Final = """
UPDATE events SET subject = $3, actor = $4, source = $5, data = $6 WHERE accepted_at = $1 AND id = $2
"""


async def erase_user(pool: Pool, user: str) -> int:
    """Rewrite the events that a user caused or that name the user; answers how many. May be repeated."""
    rewritten, stands_for = 0, f"erased:{secrets.token_hex(8)}"  # random: a hash of the id could be guessed
    while True:
        async with pool.acquire() as tx, tx.transaction():
            rows = await tx.fetch(FIND, user, AT_A_TIME)
            for row in rows:
                await _rewrite(tx, row, user, stands_for)
            await tx.execute(FORGET, user, [row["accepted_at"] for row in rows], [row["id"] for row in rows])
            if not rows:
                await tx.execute("DELETE FROM users WHERE id = $1", user)
                await tx.execute("DELETE FROM idempotency_keys WHERE principal = $1", user)
                return rewritten
        rewritten += len(rows)


async def _rewrite(tx: Connection, row: Any, user: str, stands_for: str) -> None:
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
        without(row["data"], user, stands_for, own=own),
    )


def without(value: Any, user: str, stands_for: str, *, own: bool) -> Any:
    """Replace the id everywhere, and the words where the person said them."""
    if isinstance(value, dict):
        return {
            key: ERASED if own and key in REPLACED else without(inner, user, stands_for, own=own)
            for key, inner in value.items()
            if not (own and key in LEFT_OUT)
        }
    if isinstance(value, list):
        return [without(inner, user, stands_for, own=own) for inner in value]
    return stands_for if value == user else value
