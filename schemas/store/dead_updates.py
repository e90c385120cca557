"""Owns what is done by hand with updates of Telegram that were given up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.db import Source
from schemas.store.telegram_updates import WAKE

# What it is, such as `message`, is the one name beside the number.
DEAD: Final = """
SELECT update_id, chat, attempts, error,
       (SELECT name FROM jsonb_object_keys(body) AS name WHERE name <> 'update_id' LIMIT 1) AS kind
FROM telegram_updates WHERE state = 'dead' ORDER BY update_id DESC LIMIT $1
"""
SHOW: Final = """
SELECT update_id, chat, state, attempts, error, did, received_at, due_at, body
FROM telegram_updates WHERE update_id = $1
"""
REDRIVE: Final = """
UPDATE telegram_updates SET state = 'open', attempts = 0, due_at = $2
WHERE state = 'dead' AND ($1::bigint[] IS NULL OR update_id = ANY($1)) RETURNING update_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadUpdate:
    """An update that was given up; of what somebody wrote it says nothing."""

    update_id: int
    kind: str | None
    chat: int | None
    attempts: int
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownUpdate:
    """Everything about an update, whatever became of it."""

    update_id: int
    chat: int | None
    state: str
    attempts: int
    error: str | None
    did: str | None
    received_at: datetime
    due_at: datetime
    body: Mapping[str, Any]


class DeadUpdates:
    """Updates that nobody tries again by themselves."""

    async def find(self, conn: Source, limit: int) -> list[DeadUpdate]:
        """Answer the latest first."""
        return [DeadUpdate(**row) for row in await conn.fetch(DEAD, limit)]

    async def show(self, conn: Source, update_id: int) -> ShownUpdate | None:
        row = await conn.fetchrow(SHOW, update_id)
        return ShownUpdate(**row) if row else None

    async def redrive(self, conn: Source, ids: Sequence[int] | None, now: datetime) -> int:
        """Give these new attempts, or all that are dead; answers how many."""
        redriven = await conn.fetch(REDRIVE, None if ids is None else list(ids), now)
        if redriven:
            await conn.execute(f"NOTIFY {WAKE}")
        return len(redriven)
