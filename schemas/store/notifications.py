"""Owns the rows of notifications: what people find in their inboxes, and whether they have read it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.db import Connection, Source
from schemas.events.members import rfc3339
from schemas.store.deliveries import WITHDRAWN

BUCKETS: Final = 64
LOCKS: Final = 4_829_335


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredNotification:
    """One notification of one person; `badge` tells whether it counts while it is unread."""

    user_id: str
    id: UUID
    topic: str
    priority: str
    title: str
    text: str | None
    url: str | None
    actors: Sequence[str]
    count: int
    event_ids: Sequence[UUID]
    collapse_key: str | None
    state: str
    badge: bool
    created_at: datetime
    updated_at: datetime

    def shown(self) -> dict[str, Any]:
        """As the inbox answers it, ready for JSON."""
        return {
            "id": str(self.id),
            "topic": self.topic,
            "priority": self.priority,
            "title": self.title,
            "text": self.text,
            "url": self.url,
            "actors": list(self.actors),
            "count": self.count,
            "event_ids": [str(event_id) for event_id in self.event_ids],
            "created_at": rfc3339(self.created_at),
            "updated_at": rfc3339(self.updated_at),
            "state": self.state,
        }


NAMES: Final = tuple(field.name for field in fields(StoredNotification))
COLUMNS: Final = ", ".join(f"n.{name}" for name in NAMES)

# Who changes the state of a person's notifications has the person's bucket alone; who adds to them shares it.
# So counts that are told are those at their place among the additions, and a walk is never far from done.
LOCK_BUCKETS: Final = """
SELECT {}($1, b) FROM (
    SELECT DISTINCT abs(hashtext(u) % $3) AS b FROM unnest($2::text[]) AS u ORDER BY b) buckets
"""
SHARE: Final = LOCK_BUCKETS.format("pg_advisory_xact_lock_shared")
SEIZE: Final = LOCK_BUCKETS.format("pg_advisory_xact_lock")

# In order, so that two writers wait for each other and never deadlock. What is open already is locked and
# answered as it was.
OPEN: Final = f"""
INSERT INTO notifications AS n ({", ".join(NAMES)})
SELECT g.user_id, g.id, g.topic, g.priority, g.title, g.text, g.url,
       CASE WHEN g.actor IS NULL THEN '{{}}'::text[] ELSE ARRAY[g.actor] END,
       1, ARRAY[g.event_id], g.collapse_key, 'unread', g.badge, g.at, g.at
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::uuid[], $10::text[], $11::boolean[], $12::timestamptz[])
     AS g (user_id, id, topic, priority, title, text, url, actor, event_id, collapse_key, badge, at)
ORDER BY g.user_id, g.collapse_key
ON CONFLICT (user_id, collapse_key) WHERE state = 'unread' AND collapse_key IS NOT NULL
DO UPDATE SET state = n.state
RETURNING {COLUMNS}, n.xmax = 0 AS opened
"""
GROW: Final = """
UPDATE notifications SET title = $3, text = $4, url = $5, actors = $6, count = $7, event_ids = $8,
    updated_at = $9
WHERE user_id = $1 AND id = $2
"""
PAGE: Final = f"""
SELECT {COLUMNS} FROM notifications n
WHERE n.user_id = $1 AND n.state = ANY($2)
  AND ($3::timestamptz IS NULL OR (n.updated_at, n.id) < ($3, $4::uuid))
ORDER BY n.updated_at DESC, n.id DESC LIMIT $5
"""
UNREAD: Final = "SELECT count(*) FROM notifications WHERE user_id = $1 AND state = 'unread' AND badge"
# Back to unread, a notification opens no second one of its kind: the key stays with the one that is open.
SET_STATE: Final = f"""
UPDATE notifications n SET state = $3,
    collapse_key = CASE WHEN $3 = 'unread' THEN NULL ELSE n.collapse_key END
WHERE n.user_id = $1 AND n.id = ANY($2) AND n.state <> $3 AND n.state = ANY($4) RETURNING {COLUMNS}
"""
# However many they are: what waits of them elsewhere is withdrawn where it lies, and the latest are answered.
READ_ALL: Final = f"""
WITH changed AS (
    UPDATE notifications n SET state = 'read' WHERE n.user_id = $1 AND n.state = 'unread' RETURNING {COLUMNS}
), locked AS (
    SELECT d.id FROM changed c JOIN deliveries d ON d.user_id = $1 AND d.notification_id = c.id
    WHERE d.status IN ('queued', 'held') ORDER BY d.id FOR NO KEY UPDATE OF d
), {WITHDRAWN.format(at="$2")}
SELECT *, (SELECT count(*) FROM changed) AS changed, (SELECT array_agg(channel) FROM withdrawn) AS withdrawn
FROM changed ORDER BY updated_at DESC, id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Opened:
    """The open notification of a person and key: just made, or as it was before."""

    notification: StoredNotification
    is_new: bool


@dataclass(frozen=True, slots=True)
class AllRead:
    """How many were read at once, the latest of them, and the channel of each delivery that was withdrawn."""

    count: int
    latest: Sequence[StoredNotification]
    withdrawn: Sequence[str]


class Notifications:
    """The inboxes of everyone."""

    async def share(self, tx: Connection, users: Sequence[str]) -> None:
        """Before adding to inboxes: wait for whoever changes them, or their people, and keep them waiting."""
        await tx.execute(SHARE, LOCKS, list(users), BUCKETS)

    async def seize(self, tx: Connection, *users: str) -> None:
        """Before changing states: wait for whoever is adding to these inboxes, and keep them waiting."""
        await tx.execute(SEIZE, LOCKS, list(users), BUCKETS)

    async def insert(self, tx: Connection, records: Iterable[tuple[Any, ...]]) -> None:
        """Add notifications that gather nothing; records are in the order of NAMES."""
        await tx.copy_records_to_table("notifications", records=records, columns=NAMES)

    async def open(self, tx: Connection, wanted: Sequence[StoredNotification]) -> list[Opened]:
        """Make sure that each person has an open notification of the key; answers in no particular order.

        Each pair of person and key may be there once.
        """
        rows = await tx.fetch(
            OPEN,
            [one.user_id for one in wanted],
            [one.id for one in wanted],
            [one.topic for one in wanted],
            [one.priority for one in wanted],
            [one.title for one in wanted],
            [one.text for one in wanted],
            [one.url for one in wanted],
            [one.actors[0] if one.actors else None for one in wanted],
            [one.event_ids[0] for one in wanted],
            [one.collapse_key for one in wanted],
            [one.badge for one in wanted],
            [one.created_at for one in wanted],
        )
        return [Opened(_stored(row), row["opened"]) for row in rows]

    async def grow(self, tx: Connection, grown: Sequence[StoredNotification]) -> None:
        """Write what open notifications gathered."""
        await tx.executemany(
            GROW,
            [
                (
                    *(one.user_id, one.id, one.title, one.text, one.url),
                    *(list(one.actors), one.count, list(one.event_ids), one.updated_at),
                )
                for one in grown
            ],
        )

    async def page(
        self,
        conn: Source,
        user: str,
        states: Sequence[str],
        *,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 50,
    ) -> list[StoredNotification]:
        """Answer a person's notifications, the last changed first; `before` is the last one of a page."""
        rows = await conn.fetch(PAGE, user, list(states), *(before or (None, None)), limit)
        return [_stored(row) for row in rows]

    async def get_many(self, conn: Source, user: str, ids: Sequence[UUID]) -> list[StoredNotification]:
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM notifications n WHERE n.user_id = $1 AND n.id = ANY($2)", user, list(ids)
        )
        return [_stored(row) for row in rows]

    async def of_pairs(
        self, conn: Source, pairs: Sequence[tuple[str, UUID]]
    ) -> dict[tuple[str, UUID], StoredNotification]:
        """Answer notifications by person and id, those that are there."""
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM unnest($1::text[], $2::uuid[]) AS g (user_id, id)"
            " JOIN notifications n ON n.user_id = g.user_id AND n.id = g.id",
            [user for user, _ in pairs],
            [notification for _, notification in pairs],
        )
        return {(row["user_id"], row["id"]): _stored(row) for row in rows}

    async def unread(self, conn: Source, user: str) -> int:
        """Count what is unread and counts."""
        return int(await conn.fetchval(UNREAD, user))

    async def set_state(
        self, tx: Connection, user: str, ids: Sequence[UUID], state: str, *, among: Sequence[str]
    ) -> list[StoredNotification]:
        """Put notifications that are in one of some states into another; answers those that changed."""
        rows = await tx.fetch(SET_STATE, user, list(ids), state, list(among))
        return [_stored(row) for row in rows]

    async def read_all(self, tx: Connection, user: str, now: datetime, latest: int) -> AllRead:
        """Mark everything read, and withdraw what waits of it."""
        rows = await tx.fetch(READ_ALL, user, now, latest)
        if not rows:
            return AllRead(0, [], [])
        return AllRead(rows[0]["changed"], [_stored(row) for row in rows], rows[0]["withdrawn"] or [])


def _stored(row: Any) -> StoredNotification:
    return StoredNotification(**{name: row[name] for name in NAMES})
