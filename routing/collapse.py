"""Owns how events become one notification: "Ann, Bob and 12 others liked your post", as a row that grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from routing.model import Notification
from routing.people import People
from routing.text import called
from routing.words import retitled
from schemas.db import Connection
from schemas.store.decisions import Decisions
from schemas.store.notifications import Notifications, StoredNotification

MOST_ACTORS: Final = 3
MOST_EVENTS: Final = 100

Key = tuple[str, str]
"""A person, and what collapses into one for them."""


@dataclass(frozen=True, slots=True)
class Doing:
    """One event that goes into a notification: `fresh` is the notification that it would make alone."""

    notification: Notification
    fresh: StoredNotification

    @property
    def key(self) -> Key:
        return self.fresh.user_id, str(self.fresh.collapse_key)


@dataclass(frozen=True, slots=True)
class Gathered:
    """A notification after events went into it: whether it is new, and whether it holds more than one."""

    stored: StoredNotification
    is_new: bool
    has_grown: bool


class Collapse:
    """Opens and grows notifications, in the caller's transaction; who else writes to one waits."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._notifications = Notifications()
        self._decisions = Decisions()

    async def gather(self, tx: Connection, doings: Sequence[Doing]) -> dict[Key, Gathered]:
        """Put events into the open notifications of people, in their order; opens what is not open.

        The decisions upon these events must not be stored yet: whoever is among them counts as another one.
        """
        if not doings:
            return {}
        first: dict[Key, Doing] = {}
        for doing in doings:
            first.setdefault(doing.key, doing)
        opened = await self._notifications.open(tx, [doing.fresh for doing in first.values()])
        found = {(one.notification.user_id, str(one.notification.collapse_key)): one for one in opened}
        more = [doing for doing in doings if not (found[doing.key].is_new and first[doing.key] is doing)]
        if not more:
            return {key: Gathered(one.notification, True, False) for key, one in found.items()}
        grown = await self._grown(tx, {key: one.notification for key, one in found.items()}, more)
        await self._notifications.grow(tx, list(grown.values()))
        return {
            key: Gathered(grown.get(key, one.notification), one.is_new, key in grown)
            for key, one in found.items()
        }

    async def _grown(
        self, tx: Connection, rows: Mapping[Key, StoredNotification], doings: Sequence[Doing]
    ) -> dict[Key, StoredNotification]:
        asked = {
            (doing.fresh.user_id, rows[doing.key].id, doing.notification.actor)
            for doing in doings
            if doing.notification.actor is not None
        }
        counted = await self._decisions.gathered(tx, [*asked])
        counted |= {(row.user_id, row.id, actor) for row in rows.values() for actor in row.actors}
        actors = {actor for row in rows.values() for actor in row.actors} | {actor for *_, actor in asked}
        names = await self._people.names(tx, [one for one in actors if one is not None])
        grown: dict[Key, StoredNotification] = {}
        for doing in doings:
            row = grown.get(doing.key, rows[doing.key])
            who = (row.user_id, row.id, doing.notification.actor or "")
            grown[doing.key] = _with(row, doing, who in counted, names)
            counted.add(who)
        return grown


def _with(
    row: StoredNotification, doing: Doing, is_known: bool, names: Mapping[str, str]
) -> StoredNotification:
    """A notification with one event more."""
    notification, headline = doing.notification, doing.notification.headline
    actor = notification.actor
    counts_people = headline is not None and headline.counts == "actors" and actor is not None
    count = row.count + (0 if counts_people and is_known else 1)
    actors = list(row.actors)
    if actor is not None:
        actors = [actor, *(one for one in actors if one != actor)][:MOST_ACTORS]
    title = notification.title
    if headline is not None:
        title = retitled(headline, [called(one, names) for one in actors], count)
    return replace(
        row,
        title=title,
        text=notification.text,
        url=notification.url or row.url,
        actors=actors,
        count=count,
        event_ids=_with_event(row.event_ids, notification.event_id),
        updated_at=max(doing.fresh.created_at, row.updated_at),
    )


def _with_event(event_ids: Sequence[UUID], event_id: UUID) -> list[UUID]:
    return [event_id, *event_ids][:MOST_EVENTS]
