"""People with mail addresses, and things that were gathered for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from routing.scheduler import Scheduler
from schemas.db import Pool
from schemas.events.content import ContentLiked
from schemas.events.system import MilestoneReached
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.digests import Digests, NewItem
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.house import House


async def person(pool: Pool, user: str, tz: str | None = None, **preferences: Any) -> UUID:
    """Somebody with a mail address, whose endpoint is answered."""
    await Users().put(pool, user, Profile(email=f"{user}@example.com", tz=tz))
    if preferences:
        await PreferenceDocuments().put(pool, user, preferences)
    found: UUID = await pool.fetchval("SELECT id FROM endpoints WHERE user_id = $1", user)
    return found


def milestone(user: str = "ann", value: int = 100) -> MilestoneReached:
    """What goes into the weekly digest of whoever said nothing else."""
    return MilestoneReached(user=user, kind="followers", value=value)


def like(author: str = "ann", actor: str = "bob", content: str = "c1") -> ContentLiked:
    return ContentLiked(content_id=content, author=author, actor=actor)


def scheduler(house: House) -> Scheduler:
    return Scheduler(house.pool, house.people, house.clock)


async def close(house: House) -> None:
    """Send everything on its way that is due."""
    while await scheduler(house).step():
        pass


def waiting(user: str, channel: str, endpoint: UUID, due_at: datetime) -> NewItem:
    """Something for the daily or weekly digest that leaves there."""
    return NewItem(
        user_id=user,
        channel=channel,
        endpoint_id=endpoint,
        kind="scheduled",
        due_at=due_at,
        event_id=uuid7(),
        notification_id=uuid7(),
        topic="milestones",
    )


async def gather(pool: Pool, now: datetime, items: Sequence[NewItem]) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Digests().add(tx, items, now)


async def outcomes(pool: Pool) -> list[tuple[str, str, str | None]]:
    """User, status and reason of each delivery of a digest."""
    rows = await pool.fetch(
        "SELECT user_id, status, reason FROM deliveries WHERE digest_id IS NOT NULL ORDER BY created_at, id"
    )
    return [tuple(row) for row in rows]


async def due_at(pool: Pool, user: str = "ann") -> datetime | None:
    """When the one open digest of a person leaves."""
    found: datetime | None = await pool.fetchval(
        "SELECT due_at FROM digests WHERE user_id = $1 AND state = 'open'", user
    )
    return found
