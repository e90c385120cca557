"""Owns how much people were sent of late, on which channel; read from the deliveries."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from schemas.db import Source

# The index ends the look at each person after `most` entries, however many there are.
FULL: Final = """
SELECT g.user_id, g.channel FROM unnest($1::text[], $2::text[]) AS g (user_id, channel)
CROSS JOIN LATERAL (SELECT FROM deliveries d
    WHERE d.user_id = g.user_id AND d.channel = g.channel AND d.sent_at > $3 AND d.sent_at IS NOT NULL
    ORDER BY d.sent_at DESC OFFSET $4 - 1 LIMIT 1) sent
"""


class Sent:
    """What went out."""

    async def full(
        self, conn: Source, asked: Collection[tuple[str, str]], since: datetime, most: int
    ) -> set[tuple[str, str]]:
        """Answer to whom (user and channel) `most` or more was sent since a moment."""
        users, channels = [user for user, _ in asked], [channel for _, channel in asked]
        rows = await conn.fetch(FULL, users, channels, since, most)
        return {(row["user_id"], row["channel"]) for row in rows}
