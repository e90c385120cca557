"""Owns telegram_updates: what Telegram told the bot, until it was handled, and what is to be answered."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from schemas.db import Connection, Source

WAKE: Final = "telegram_updates"
"""Whoever waits for updates or replies listens on this channel of notifications."""
CHANGES: Final = ("linked", "stopped", "blocked", "unblocked")
"""What may come of an update that decides whether a chat is written to."""
RECENT: Final = timedelta(days=1)
"""Numbers go up within this time; after a quiet week Telegram begins with any other."""
HORIZON: Final = timedelta(days=3)
"""So long it is remembered what was handled; what was said before is a repetition of something forgotten."""
APART: Final = 1_000_000
"""Numbers further apart than this are not of one count, and do not tell what came first."""
CHAT: Final = "CASE WHEN e.address ~ '^-?[0-9]{1,18}$' THEN e.address::bigint END"
"""The number of the chat of an endpoint `e`."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")

PUT: Final = """
INSERT INTO telegram_updates (update_id, chat, body, due_at, received_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT DO NOTHING RETURNING true
"""
# Of each chat only the first that is open: what follows it waits, also while it is tried again.
OPEN: Final = """
SELECT update_id FROM telegram_updates u
WHERE state = 'open' AND due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1)
  AND NOT EXISTS (SELECT FROM telegram_updates e
                  WHERE e.state = 'open' AND e.chat = u.chat AND e.update_id < u.update_id)
"""
CLAIM: Final = f"""
UPDATE telegram_updates t SET owner = $2, lease_until = $1::timestamptz + $3::interval,
    attempts = attempts + 1
FROM ({OPEN} ORDER BY update_id LIMIT $4 FOR UPDATE SKIP LOCKED) taken
WHERE t.update_id = taken.update_id RETURNING t.update_id, t.chat, t.body, t.attempts
"""
# What follows /start says who somebody is.
BLANK: Final = """body = CASE WHEN body #>> '{message,text}' ~ '^/start'
    THEN jsonb_set(body, '{message,text}', to_jsonb(substring(body #>> '{message,text}' from '^\\S+')))
    ELSE body END"""
DONE: Final = f"""
UPDATE telegram_updates SET state = 'done', owner = NULL, lease_until = NULL, error = NULL, {BLANK}, did = $3,
    reply = $4, reply_due_at = CASE WHEN $4::text IS NOT NULL THEN $5::timestamptz END
WHERE update_id = $1 AND owner = $2 AND state = 'open' RETURNING true
"""
FAILED: Final = f"""
UPDATE telegram_updates SET {BLANK.replace("WHEN", "WHEN $5 AND", 1)},
    state = CASE WHEN $5 THEN 'dead' ELSE 'open' END,
    owner = NULL, lease_until = NULL, error = $3, due_at = $4
WHERE update_id = $1 AND owner = $2 AND state = 'open'
"""
OVERTAKEN: Final = f"""
SELECT EXISTS (SELECT FROM telegram_updates WHERE chat = $1 AND update_id > $2 AND update_id - $2 < {APART}
               AND did = ANY($3) AND received_at > $4)
"""
SAID: Final = """
SELECT EXISTS (SELECT FROM telegram_updates WHERE chat = $1 AND update_id <> $2 AND received_at > $4
               AND reply IS NOT NULL AND (reply = $3 OR did = ANY($5)))
"""
PUT_OFF_REPLIES: Final = """
UPDATE telegram_updates SET reply_due_at = $2 WHERE reply_due_at < $2 AND ($1::bigint IS NULL OR chat = $1)
"""
TAKE_REPLY: Final = """
UPDATE telegram_updates t SET reply_due_at = NULL
FROM (SELECT update_id FROM telegram_updates WHERE reply_due_at <= $1
      ORDER BY reply_due_at, update_id LIMIT 1 FOR UPDATE SKIP LOCKED) due
WHERE t.update_id = due.update_id RETURNING t.update_id, t.chat, t.reply, t.received_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpdate:
    """An update that its owner may handle now; `attempts` counts this one."""

    update_id: int
    chat: int | None
    body: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReply:
    """What is to be said in a chat."""

    update_id: int
    chat: int
    reply: str
    received_at: datetime


class TelegramUpdates:
    """Updates, each of which is handled once, those of a chat in the order of their numbers."""

    async def put(self, conn: Source, update: Mapping[str, Any], now: datetime) -> bool:
        """Keep an update; False if it is known, or too old for that to be known. Its number must be there."""
        if is_stale(update, now):
            return False
        kept = await conn.fetchval(PUT, update["update_id"], _chat(update), storable(update), now)
        if kept:
            await conn.execute(f"NOTIFY {WAKE}")
        return bool(kept)

    async def due(self, conn: Source, now: datetime) -> bool:
        return bool(await conn.fetchval(f"SELECT EXISTS ({OPEN})", now))

    async def claim(
        self, conn: Source, owner: str, now: datetime, *, lease: timedelta, limit: int
    ) -> list[StoredUpdate]:
        """Lease what may be handled now: of each chat one."""
        rows = await conn.fetch(CLAIM, now, owner, lease, limit)
        return sorted((StoredUpdate(**row) for row in rows), key=lambda one: one.update_id)

    async def done(
        self, tx: Connection, owner: str, update_id: int, now: datetime, *, did: str, reply: str | None = None
    ) -> bool:
        """Note what came of it; False if somebody else has taken it over: then nothing may be committed."""
        noted = bool(await tx.fetchval(DONE, update_id, owner, did, reply, now))
        if noted and reply is not None:
            await tx.execute(f"NOTIFY {WAKE}")
        return noted

    async def failed(
        self, conn: Source, owner: str, update_id: int, error: str, again_at: datetime, *, dead: bool
    ) -> None:
        """Note why it could not be handled; a dead one no longer keeps the others of its chat waiting."""
        await conn.execute(FAILED, update_id, owner, error, again_at, dead)

    async def lock_chat(self, tx: Connection, chat: int) -> None:
        """Keep others from handling what is about this chat until the transaction ends."""
        await tx.execute("SELECT pg_advisory_xact_lock(hashtext('telegram'), hashtext($1))", str(chat))

    async def overtaken(self, conn: Source, chat: int, update_id: int, now: datetime) -> bool:
        """Whether a later one, which came earlier, has already decided whether the chat is written to."""
        return bool(await conn.fetchval(OVERTAKEN, chat, update_id, list(CHANGES), now - RECENT))

    async def was_said(
        self,
        conn: Source,
        chat: int,
        update_id: int,
        reply: str,
        since: datetime,
        *,
        or_any_of: Sequence[str],
    ) -> bool:
        """Whether a chat was given this reply of late, or one upon another update of which the like came."""
        return bool(await conn.fetchval(SAID, chat, update_id, reply, since, list(or_any_of)))

    async def reply_due(self, conn: Source, now: datetime) -> bool:
        return bool(
            await conn.fetchval("SELECT EXISTS (SELECT FROM telegram_updates WHERE reply_due_at <= $1)", now)
        )

    async def take_reply(self, conn: Source, now: datetime) -> DueReply | None:
        """Take a reply for good: if nobody comes back to say it was not taken, it is not said again."""
        row = await conn.fetchrow(TAKE_REPLY, now)
        return DueReply(**row) if row else None

    async def put_back_reply(self, conn: Source, update_id: int, again_at: datetime) -> None:
        """Say it later: it was surely not taken."""
        await conn.execute(
            "UPDATE telegram_updates SET reply_due_at = $2 WHERE update_id = $1", update_id, again_at
        )

    async def put_off_replies(self, conn: Source, chat: int | None, until: datetime) -> None:
        """Let the replies to a chat wait, or all of them."""
        await conn.execute(PUT_OFF_REPLIES, chat, until)


def storable(value: Any) -> Any:
    """The same without what PostgreSQL keeps in no text: it must not keep an update from being stored."""
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {storable(name): storable(inner) for name, inner in value.items()}
    return [storable(inner) for inner in value] if isinstance(value, list) else value


def is_stale(update: Mapping[str, Any], now: datetime) -> bool:
    """Whether it was said before anybody remembers what was handled."""
    for told in update.values():
        said_at = told.get("edit_date", told.get("date")) if isinstance(told, Mapping) else None
        if isinstance(said_at, int) and said_at < (now - HORIZON).timestamp():
            return True
    return False


def _chat(update: Mapping[str, Any]) -> int | None:
    """The chat that an update of any kind is about."""
    for told in update.values():
        chat = told.get("chat") if isinstance(told, Mapping) else None
        number = chat.get("id") if isinstance(chat, Mapping) else None
        if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1 << 63:
            return number
    return None
