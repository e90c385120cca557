"""Owns the rows of digests: what is gathered for an endpoint until it is due, and what was in what left.

Of each endpoint and kind one digest is open. Who appends to it holds its row until the commit, and who closes
it skips what is held: so an item is in the digest that leaves, or in the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from schemas.db import Connection, Source
from schemas.ids import uuid7
from schemas.store.delivery_records import COLUMNS, Delivery, stored

Kind = Literal["scheduled", "spacing"]

MOST_SHOWN: Final = 300
"""So many notifications a digest can tell of, the latest; the inbox has the rest."""
MOST_EVENTS: Final = 5
"""So many events of each of them are looked at, the latest."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An event to gather for an endpoint; `due_at` is when the digest leaves if none is open."""

    user_id: str
    channel: str
    endpoint_id: UUID
    kind: Kind
    due_at: datetime
    event_id: UUID
    notification_id: UUID
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDigest:
    """What is gathered for an endpoint."""

    id: UUID
    user_id: str
    channel: str
    endpoint_id: UUID
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDigest(StoredDigest):
    """A digest that was just closed; the address is empty when the endpoint is gone."""

    due_at: datetime
    opened_at: datetime
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """An event of a digest, with the notification it belongs to, as the inbox shows that.

    Without `title` the inbox has none.
    """

    digest_id: UUID
    event_id: UUID
    notification_id: UUID
    topic: str
    at: datetime
    title: str | None
    text: str | None
    url: str | None
    count: int | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """The digest that an event went into on its way to an endpoint."""

    event_id: UUID
    user_id: str
    endpoint_id: UUID
    digest_id: UUID
    kind: Kind
    state: Literal["open", "closed"]
    due_at: datetime
    left_out: str | None
    """Why the digest says nothing of the event, or will say nothing of it as things are."""


# In order, so that two writers wait for each other and never deadlock. A digest that is due already is late,
# and must not be put off by what comes now.
OPEN: Final = """
INSERT INTO digests AS d (id, user_id, channel, endpoint_id, kind, due_at, opened_at)
SELECT g.id, g.user_id, g.channel, g.endpoint_id, g.kind, g.due_at, $7
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[])
     AS g (id, user_id, channel, endpoint_id, kind, due_at)
ORDER BY g.endpoint_id, g.kind
ON CONFLICT (endpoint_id, kind) WHERE state = 'open' DO UPDATE SET due_at = least(d.due_at, excluded.due_at)
RETURNING d.id, d.endpoint_id, d.kind
"""
# An event may be there already: with a digest that was taken along from another endpoint.
ITEMS: Final = """
INSERT INTO digest_items (digest_id, event_id, notification_id, topic, at)
SELECT g.*, $5 FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[])
    AS g (digest_id, event_id, notification_id, topic)
ON CONFLICT DO NOTHING
"""
CLOSE: Final = """
UPDATE digests d SET state = 'closed', closed_at = $1
FROM (SELECT g.id, e.address FROM digests g LEFT JOIN endpoints e ON e.id = g.endpoint_id
      WHERE g.state = 'open' AND g.due_at <= $1 ORDER BY g.due_at LIMIT $2
      FOR UPDATE OF g SKIP LOCKED) due
WHERE d.id = due.id
RETURNING d.id, d.user_id, d.channel, d.endpoint_id, d.kind, d.due_at, d.opened_at,
          coalesce(due.address, '') AS address
"""
OPEN_AGAIN: Final = """
UPDATE digests d SET state = 'open', closed_at = NULL, due_at = g.due_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS g (id, due_at) WHERE d.id = g.id
"""
MOVE: Final = """
UPDATE digests d SET due_at = $3
FROM (SELECT id FROM digests WHERE user_id = $1 AND channel = $2 AND kind = 'scheduled' AND state = 'open'
      AND due_at > $4 ORDER BY endpoint_id FOR UPDATE) theirs
WHERE d.id = theirs.id AND d.due_at <> $3
"""
GATHERING: Final = """
SELECT id, user_id, channel, endpoint_id, kind FROM digests WHERE user_id = $1 AND state = 'open'
ORDER BY endpoint_id, kind FOR UPDATE
"""
# One that is open there already takes in what the other has.
OPEN_THERE: Final = """
INSERT INTO digests AS d (id, user_id, channel, endpoint_id, kind, due_at, opened_at)
SELECT $2, user_id, $3, $4, kind, due_at, opened_at FROM digests WHERE id = $1
ON CONFLICT (endpoint_id, kind) WHERE state = 'open' DO UPDATE SET due_at = least(d.due_at, excluded.due_at)
RETURNING d.id
"""
MOVED: Final = """
SELECT d.id, there.id AS endpoint FROM digests d JOIN endpoints e ON e.id = d.endpoint_id
JOIN endpoints there ON there.user_id = e.user_id AND there.channel = e.channel AND there.address = $3
WHERE d.state = 'open' AND e.channel = $1 AND e.address = $2 AND there.state <> 'retired'
ORDER BY d.endpoint_id, d.kind FOR UPDATE OF d
"""
TAKE_ALONG: Final = """
WITH taken AS (
    INSERT INTO digest_items (digest_id, event_id, notification_id, topic, at)
    SELECT $2, event_id, notification_id, topic, at FROM digest_items WHERE digest_id = $1
    ON CONFLICT DO NOTHING
)
DELETE FROM digests WHERE id = $1
"""
# However much was gathered, a bounded part of it is read.
CONTENTS: Final = """
SELECT digest_id, event_id, notification_id, topic, at, title, text, url, count, updated_at
FROM (
    SELECT i.*, n.title, n.text, n.url, n.count, n.updated_at,
           row_number() OVER (PARTITION BY i.digest_id, i.notification_id
                              ORDER BY i.at DESC, i.event_id DESC) AS nth,
           dense_rank() OVER (PARTITION BY i.digest_id
                              ORDER BY coalesce(n.updated_at, i.at) DESC, i.notification_id) AS rank
    FROM digests d JOIN digest_items i ON i.digest_id = d.id
    LEFT JOIN notifications n ON n.user_id = d.user_id AND n.id = i.notification_id
    WHERE d.id = ANY($1) AND coalesce(n.state, 'unread') = 'unread') told
WHERE nth <= $2 AND rank <= $3
ORDER BY digest_id, rank, notification_id, nth
"""
# What left before the events were decided about is not theirs; the clocks of hosts differ a little. What is
# read while it waits will be left out.
CARRIERS: Final = """
SELECT i.event_id, d.user_id, d.endpoint_id, d.id AS digest_id, d.kind, d.state, d.due_at,
       CASE WHEN d.state <> 'open' THEN i.left_out
            WHEN coalesce(n.state, 'unread') <> 'unread' THEN 'read_already' END AS left_out
FROM digests d JOIN digest_items i ON i.digest_id = d.id
LEFT JOIN notifications n ON n.user_id = d.user_id AND n.id = i.notification_id
WHERE d.user_id = ANY($1) AND i.event_id = ANY($2)
  AND (d.closed_at IS NULL OR d.closed_at >= $3::timestamptz - interval '5 minutes')
ORDER BY d.opened_at, d.id
"""
# What was neither told nor left out for a reason of its own was read, or was too much.
LEAVE_OUT: Final = """
UPDATE digest_items i SET left_out = s.why
FROM (SELECT h.digest_id, h.event_id,
             CASE WHEN g.notification_id IS NOT NULL THEN g.why
                  WHEN coalesce(n.state, 'unread') <> 'unread' THEN 'read_already' ELSE $5 END AS why
      FROM digest_items h JOIN digests d ON d.id = h.digest_id
      LEFT JOIN notifications n ON n.user_id = d.user_id AND n.id = h.notification_id
      LEFT JOIN unnest($2::uuid[], $3::uuid[], $4::text[]) AS g (digest_id, notification_id, why)
          ON g.digest_id = h.digest_id AND g.notification_id = h.notification_id
      WHERE h.digest_id = ANY($1)) s
WHERE i.digest_id = s.digest_id AND i.event_id = s.event_id AND i.left_out IS DISTINCT FROM s.why
"""
TOO_MUCH: Final = "rate_limited"
OF_DIGESTS: Final = f"""
SELECT {COLUMNS} FROM deliveries d WHERE d.digest_id = ANY($1) ORDER BY d.created_at, d.id
"""


class Digests:
    """What is gathered, and what was."""

    async def add(self, tx: Connection, items: Sequence[NewItem], now: datetime) -> None:
        """Put events into the open digests of endpoints; opens what is not open."""
        wanted: dict[tuple[UUID, str], NewItem] = {}
        for item in items:
            known = wanted.setdefault((item.endpoint_id, item.kind), item)
            if item.due_at < known.due_at:
                wanted[item.endpoint_id, item.kind] = item
        new = list(wanted.values())
        rows = await tx.fetch(
            OPEN,
            [uuid7() for _ in new],
            [one.user_id for one in new],
            [one.channel for one in new],
            [one.endpoint_id for one in new],
            [one.kind for one in new],
            [one.due_at for one in new],
            now,
        )
        opened = {(row["endpoint_id"], row["kind"]): row["id"] for row in rows}
        await tx.execute(
            ITEMS,
            [opened[one.endpoint_id, one.kind] for one in items],
            [one.event_id for one in items],
            [one.notification_id for one in items],
            [one.topic for one in items],
            now,
        )

    async def close(self, tx: Connection, now: datetime, limit: int) -> list[DueDigest]:
        """Close digests that are due, but for those that somebody is appending to: they come next time."""
        return [DueDigest(**row) for row in await tx.fetch(CLOSE, now, limit)]

    async def open_again(self, tx: Connection, moved: Sequence[tuple[UUID, datetime]]) -> None:
        """Take the closing back, in its own transaction, of what leaves at another time."""
        await tx.execute(OPEN_AGAIN, [one for one, _ in moved], [due_at for _, due_at in moved])

    async def next_due(self, conn: Source) -> datetime | None:
        found: datetime | None = await conn.fetchval("SELECT min(due_at) FROM digests WHERE state = 'open'")
        return found

    async def gathering(self, tx: Connection, user: str) -> list[StoredDigest]:
        """Answer a person's open digests, and keep others from adding to them or closing them."""
        return [StoredDigest(**row) for row in await tx.fetch(GATHERING, user)]

    async def take_along(self, tx: Connection, digest: UUID, channel: str, endpoint: UUID) -> None:
        """Let what an open digest holds leave at another endpoint, with what is gathered for that."""
        there = await tx.fetchval(OPEN_THERE, digest, uuid7(), channel, endpoint)
        await tx.execute(TAKE_ALONG, digest, there)

    async def follow(self, tx: Connection, channel: str, address: str, moved_to: str) -> None:
        """Let what waits at an address leave where its person is reached already: the address moved there."""
        for row in await tx.fetch(MOVED, channel, address, moved_to):
            await self.take_along(tx, row["id"], channel, row["endpoint"])

    async def move(self, tx: Connection, user: str, channel: str, due_at: datetime, now: datetime) -> None:
        """Let a person's daily or weekly digests on a channel leave at another time, but for what is due."""
        await tx.execute(MOVE, user, channel, due_at, now)

    async def get_many(self, conn: Source, ids: Sequence[UUID]) -> list[StoredDigest]:
        rows = await conn.fetch(
            "SELECT id, user_id, channel, endpoint_id, kind FROM digests WHERE id = ANY($1)", list(ids)
        )
        return [StoredDigest(**row) for row in rows]

    async def contents(self, conn: Source, ids: Sequence[UUID]) -> list[StoredItem]:
        """Answer what is unread of digests: the latest notifications first, of each the latest events."""
        rows = await conn.fetch(CONTENTS, list(ids), MOST_EVENTS, MOST_SHOWN)
        return [StoredItem(**row) for row in rows]

    async def leave_out(
        self, tx: Connection, ids: Sequence[UUID], told: Sequence[tuple[UUID, UUID, str | None]]
    ) -> None:
        """Note why some of what is in digests is not told; `told`: digest, notification, why not if not."""
        columns = ([one[place] for one in told] for place in range(3))
        await tx.execute(LEAVE_OUT, list(ids), *columns, TOO_MUCH)

    async def carriers(
        self, conn: Source, users: Sequence[str], events: Sequence[UUID], since: datetime
    ) -> dict[tuple[UUID, str, UUID], Carrier]:
        """Answer which digests events went into, by event, person and endpoint; the last one counts.

        None of the events was decided about before `since`.
        """
        rows = await conn.fetch(CARRIERS, list(users), list(events), since)
        return {(row["event_id"], row["user_id"], row["endpoint_id"]): Carrier(**row) for row in rows}

    async def deliveries(self, conn: Source, ids: Sequence[UUID]) -> dict[UUID, Delivery]:
        """Answer what became of digests that were closed."""
        rows = await conn.fetch(OF_DIGESTS, list(ids))
        return {row["digest_id"]: stored(row) for row in rows}
