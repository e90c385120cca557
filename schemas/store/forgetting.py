"""Owns what an erased person leaves in everything about notifications: theirs goes, others' loses the person.

A refusal outlives the person who gave it, or the address would be written to again as soon as somebody
brings it: the ledger keeps it under a digest of the address (see `schemas.store.consent`), and no name.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson
from asyncpg import TransactionRollbackError

from schemas.db import Connection, Pool
from schemas.store.consent import DIGEST
from schemas.store.email_batches import EmailBatches
from schemas.store.notifications import Notifications
from schemas.store.telegram_updates import CHAT

AT_A_TIME: Final = 5_000
ERASED: Final = "[erased]"

# What others were told of the person's doings, a chunk of one event's people at a time. A title names those
# who are still among the actors; the words beside it are the last one's.
UNTELL: Final = f"""
WITH step AS (
    SELECT event_id, user_id, notification_id FROM decisions
    WHERE event_id = $1 AND user_id > $2 ORDER BY user_id LIMIT {AT_A_TIME}
), decided AS (
    UPDATE decisions d SET actor = $4 FROM step s
    WHERE d.event_id = s.event_id AND d.user_id = s.user_id AND d.actor = $3
), shown AS (
    UPDATE notifications n SET title = '{ERASED}', text = NULL, url = NULL,
        actors = array_replace(n.actors, $3, $4)
    FROM step s WHERE n.user_id = s.user_id AND n.id = s.notification_id AND $3 = ANY(n.actors)
)
SELECT max(user_id) FROM step
"""
EVENTS: Final = """
SELECT event_id FROM event_people WHERE user_id = $1 AND ($2::uuid IS NULL OR event_id > $2)
ORDER BY event_id LIMIT 500
"""

ADDRESSES: Final = """
SELECT channel, address FROM endpoints WHERE user_id = $1
UNION SELECT channel, address FROM consent WHERE user_id = $1
UNION SELECT 'email', lower(email) FROM users WHERE id = $1 AND email IS NOT NULL
UNION SELECT 'sms', phone FROM users WHERE id = $1 AND phone IS NOT NULL
"""
KEEP_REFUSALS: Final = f"""
WITH mine AS ({ADDRESSES}), last AS (
    SELECT DISTINCT ON (c.channel, c.address, c.topic) c.n, c.allowed FROM consent c
    JOIN mine m ON m.channel = c.channel AND m.address = c.address
    ORDER BY c.channel, c.address, c.topic, c.n DESC
), kept AS (
    UPDATE consent c SET user_id = NULL, detail = NULL,
        address = {DIGEST.format(channel="c.channel", address="c.address")}
    FROM last WHERE c.n = last.n AND NOT last.allowed
)
DELETE FROM consent c USING mine m WHERE c.channel = m.channel AND c.address = m.address
AND NOT EXISTS (SELECT FROM last WHERE last.n = c.n AND NOT last.allowed)
"""
# What was said to the bot, in its own chat or in a group; the number of a person's chat is theirs everywhere.
# A chat that is another's by now is left to them.
FORGET_UPDATES: Final = f"""
WITH mine AS (
    SELECT {CHAT} AS chat FROM endpoints e WHERE e.user_id = $1 AND e.channel = 'telegram'
    AND NOT EXISTS (SELECT FROM endpoints o WHERE o.channel = 'telegram' AND o.address = e.address
                    AND o.user_id <> $1 AND o.state = 'active')
)
DELETE FROM telegram_updates u
WHERE u.chat IN (SELECT chat FROM mine)
   OR u.body #>> '{{message,from,id}}' IN (SELECT chat::text FROM mine)
"""
# In the order in which others lock these rows: whoever brings an address or asks for a code has the person,
# who changes their mind their preferences and then the inbox, who sends has deliveries before what those
# gather in and go to.
LOCK: Final = "SELECT FROM users WHERE id = $1 FOR UPDATE"
SILENCE: Final = "DELETE FROM preferences WHERE user_id = $1"
FORGET: Final = (
    "DELETE FROM delivery_attempts a USING deliveries d WHERE d.user_id = $1 AND a.delivery_id = d.id",
    "DELETE FROM deliveries WHERE user_id = $1",
    "SELECT FROM digests WHERE user_id = $1 ORDER BY endpoint_id, kind FOR UPDATE",
    "DELETE FROM digests WHERE user_id = $1",  # with its items
    KEEP_REFUSALS,
    FORGET_UPDATES,
    "DELETE FROM endpoints WHERE user_id = $1",
    "DELETE FROM verifications WHERE user_id = $1",
    "DELETE FROM telegram_links WHERE user_id = $1",
    "DELETE FROM decisions WHERE user_id = $1",
    "DELETE FROM notifications WHERE user_id = $1",
    "DELETE FROM audience_members WHERE member = $1",
    "DELETE FROM audience_members WHERE kind IN ('followers', 'subscribers') AND target = $1",
    "DELETE FROM users WHERE id = $1",  # last: refusals are known by the addresses of the profile, too
)
TRIES: Final = 5
# Packets are kept for a day: those for the person alone or with the person in them go, others lose the room.
PACKETS: Final = "SELECT min(seq) AS first, max(seq) AS last FROM relay_log WHERE packet IS NOT NULL"
UNPACK: Final = """
WITH found AS (
    SELECT seq, position($3 IN packet) > 0 OR target[2:] = ARRAY[$4] AS is_gone FROM relay_log
    WHERE seq > $1 AND seq <= $2 AND packet IS NOT NULL
      AND (position($3 IN packet) > 0 OR $4 = ANY(target))
)
UPDATE relay_log r SET packet = CASE WHEN NOT f.is_gone THEN r.packet END,
    target = CASE WHEN NOT f.is_gone THEN array_remove(r.target, $4) END
FROM found f WHERE r.seq = f.seq
"""


async def untell(pool: Pool, user: str, stands_for: str) -> None:
    """Take a person's name and words out of what others were told, as long as the log says who that was."""
    after: UUID | None = None
    while events := [row["event_id"] for row in await pool.fetch(EVENTS, user, after)]:
        await _untell(pool, events, user, stands_for)
        after = events[-1]


async def _untell(pool: Pool, events: Sequence[UUID], user: str, stands_for: str) -> None:
    for event in events:
        last: str | None = ""
        while last is not None:
            last = await pool.fetchval(UNTELL, event, last, user, stands_for)


async def forget(pool: Pool, user: str) -> None:
    """Delete what is the person's own, and the person; refusals stay without them."""
    await _forget(pool, user)
    await _unpack(pool, user)
    # Whoever had loaded the person before they were gone may have written to them since.
    await _forget(pool, user)


async def _forget(pool: Pool, user: str) -> None:
    """What meets others in a circle after all gives way, and begins anew."""
    for left in reversed(range(TRIES)):
        try:
            async with pool.acquire() as tx, tx.transaction():
                await _forget_once(tx, user)
        except TransactionRollbackError:
            if not left:
                raise
        else:
            return


async def _forget_once(tx: Connection, user: str) -> None:
    await tx.execute(LOCK, user)
    await tx.execute(SILENCE, user)
    await Notifications().seize(tx, user)
    await EmailBatches().withdraw(tx, user)
    for statement in FORGET:
        await tx.execute(statement, user)


async def _unpack(pool: Pool, user: str) -> None:
    row = await pool.fetchrow(PACKETS)
    if row is None or row["first"] is None:
        return
    said = orjson.dumps(user).decode()
    for start in range(row["first"] - 1, row["last"], AT_A_TIME):
        await pool.execute(UNPACK, start, start + AT_A_TIME, said, f"user:{user}")
