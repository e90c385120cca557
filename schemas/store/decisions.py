"""Owns the rows of decisions: what routing chose for each person upon each event, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from schemas.db import Connection, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """One person upon one event; `decided` has an element for each endpoint."""

    event_id: UUID
    user_id: str
    notification_id: UUID
    topic: str
    actor: str | None
    decided: list[dict[str, Any]]
    at: datetime
    gathers: bool
    """Whether the notification may hold other events, too."""


NAMES: Final = tuple(field.name for field in fields(StoredDecision))
COLUMNS: Final = ", ".join(f"d.{name}" for name in NAMES)

KNOWN: Final = """
SELECT g.event_id, g.user_id FROM unnest($1::uuid[], $2::text[]) AS g (event_id, user_id)
JOIN decisions d ON d.event_id = g.event_id AND d.user_id = g.user_id
"""
# A range, whose ends are found once. A plan may be made while the table is all but empty, and then reads all
# of it: with a list it would compare each row with every name on that.
KNOWN_OF: Final = """
SELECT user_id FROM decisions
WHERE event_id = $1 AND user_id BETWEEN (SELECT min(u) FROM unnest($2::text[]) u)
                                    AND (SELECT max(u) FROM unnest($2::text[]) u)
"""
GATHERED: Final = """
SELECT DISTINCT g.user_id, g.notification_id, g.actor
FROM unnest($1::text[], $2::uuid[], $3::text[]) AS g (user_id, notification_id, actor)
WHERE EXISTS (SELECT FROM decisions d WHERE d.user_id = g.user_id
              AND d.notification_id = g.notification_id AND d.actor = g.actor AND d.gathers)
"""
OF_USER: Final = f"""
SELECT {COLUMNS} FROM decisions d
WHERE d.user_id = $1 AND ($2::timestamptz IS NULL OR (d.at, d.event_id) < ($2, $3::uuid))
ORDER BY d.at DESC, d.event_id DESC LIMIT $4
"""


class Decisions:
    """At most one for each event and person."""

    async def insert(self, tx: Connection, records: Iterable[tuple[Any, ...]]) -> None:
        """Add decisions; records are in the order of NAMES."""
        await tx.copy_records_to_table("decisions", records=records, columns=NAMES)

    async def known(self, conn: Source, pairs: Sequence[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
        """Answer which events were decided for which people already."""
        rows = await conn.fetch(KNOWN, [event for event, _ in pairs], [user for _, user in pairs])
        return {(row["event_id"], row["user_id"]) for row in rows}

    async def known_of(self, conn: Source, event_id: UUID, users: Sequence[str]) -> set[str]:
        """Answer for which of the people an event was decided already, and for others between them."""
        return {row["user_id"] for row in await conn.fetch(KNOWN_OF, event_id, list(users))}

    async def gathered(
        self, conn: Source, doings: Sequence[tuple[str, UUID, str]]
    ) -> set[tuple[str, UUID, str]]:
        """Answer whose doings (person, notification, actor) a notification holds already."""
        rows = await conn.fetch(
            GATHERED,
            [user for user, _, _ in doings],
            [notification for _, notification, _ in doings],
            [actor for _, _, actor in doings],
        )
        return {(row["user_id"], row["notification_id"], row["actor"]) for row in rows}

    async def of_event(
        self, conn: Source, event_id: UUID, *, after: str = "", limit: int = 1000
    ) -> list[StoredDecision]:
        """Answer what was chosen upon an event, by person."""
        rows = await conn.fetch(
            f"SELECT {COLUMNS} FROM decisions d WHERE d.event_id = $1 AND d.user_id > $2"
            " ORDER BY d.user_id LIMIT $3",
            event_id,
            after,
            limit,
        )
        return [StoredDecision(**row) for row in rows]

    async def get(self, conn: Source, event_id: UUID, user: str) -> StoredDecision | None:
        row = await conn.fetchrow(
            f"SELECT {COLUMNS} FROM decisions d WHERE d.event_id = $1 AND d.user_id = $2", event_id, user
        )
        return StoredDecision(**row) if row else None

    async def of_user(
        self, conn: Source, user: str, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
    ) -> list[StoredDecision]:
        """Answer a person's decisions, the newest first; `before` is time and event of a page's last one."""
        rows = await conn.fetch(OF_USER, user, *(before or (None, None)), limit)
        return [StoredDecision(**row) for row in rows]
