"""Owns what is read for exports alone: proofs that a person asked for, digests, what they told the bot."""

from collections.abc import AsyncIterator
from typing import Any, Final

from schemas.db import Pool, Row
from schemas.store.telegram_updates import CHAT

VERIFICATIONS: Final = """
SELECT id, endpoint_id AS endpoint, channel, address, created_at, expires_at, tries, used_at
FROM verifications WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
# By the digest of its token, which is not shown: it is all that names a link.
TELEGRAM_LINKS: Final = """
SELECT token_digest AS id, created_at, expires_at, used_at
FROM telegram_links WHERE user_id = $1 AND ($2::bytea IS NULL OR token_digest < $2)
ORDER BY token_digest DESC LIMIT $3
"""
DIGESTS: Final = """
SELECT d.id, d.channel, d.endpoint_id AS endpoint, d.kind, d.state, d.due_at, d.opened_at, d.closed_at
FROM digests d WHERE d.user_id = $1 AND ($2::uuid IS NULL OR d.id < $2) ORDER BY d.id DESC LIMIT $3
"""
# In pages of their own: a digest may hold a hundred thousand. Of each digest no more than a page is read.
DIGEST_ITEMS: Final = """
SELECT ARRAY[d.id, i.event_id] AS id, d.id AS digest_id, i.event_id, i.topic, i.at, i.left_out
FROM (SELECT id FROM digests WHERE user_id = $1 AND ($2::uuid[] IS NULL OR id <= ($2::uuid[])[1])) d
CROSS JOIN LATERAL (
    SELECT event_id, topic, at, left_out FROM digest_items
    WHERE digest_id = d.id AND ($2 IS NULL OR d.id < ($2::uuid[])[1] OR event_id < ($2::uuid[])[2])
    ORDER BY event_id DESC LIMIT $3) i
ORDER BY d.id DESC, i.event_id DESC LIMIT $3
"""
# Of events the history tells; these are the deliveries of digests and codes. Whether a code was sent depends
# on what others did with the address: that is told to who has proved it since.
DELIVERIES: Final = """
SELECT d.id, d.channel, d.address, d.topic, d.status, d.digest_id, d.verification_id AS verification,
    d.created_at, d.sent_at
FROM deliveries d WHERE d.user_id = $1 AND d.event_id IS NULL AND ($2::uuid IS NULL OR d.id < $2)
  AND (d.verification_id IS NULL OR EXISTS (
      SELECT FROM endpoints e
      WHERE e.id = d.endpoint_id AND e.user_id = $1 AND e.verified_at >= d.created_at))
ORDER BY d.id DESC LIMIT $3
"""
# A chat may have been another's before, and may be another's now.
TOLD_THE_BOT: Final = f"""
SELECT u.update_id AS id, u.received_at, u.body
FROM (SELECT {CHAT} AS chat, e.verified_at FROM endpoints e
      WHERE e.user_id = $1 AND e.channel = 'telegram' AND e.state = 'active') mine
JOIN telegram_updates u ON u.chat = mine.chat AND u.received_at >= mine.verified_at
WHERE $2::bigint IS NULL OR u.update_id < $2
ORDER BY u.update_id DESC LIMIT $3
"""


async def pages(pool: Pool, statement: str, user: str, size: int) -> AsyncIterator[list[Row]]:
    """Answer everything that one of the statements finds, the latest first; each row has an id."""
    before: Any = None
    while True:
        found = await pool.fetch(statement, user, before, size)
        yield list(found)
        if len(found) < size:
            return
        before = found[-1]["id"]
