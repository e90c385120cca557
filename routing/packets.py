"""Owns what sockets are told of inboxes: new and changed notifications, and how many are unread."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

import orjson

from bus.base import Target
from bus.render import packet
from schemas.events.notifications import HIDDEN, NotificationCreated, NotificationEvent, NotificationUpdated
from schemas.store.notifications import StoredNotification

NAMESPACE: Final = "/notifications"
MOST_ROOMS: Final = 1000
COUNTS: Final = "notifications.counts"
READ_ALL: Final = "notifications.read_all"


def created(
    notification: StoredNotification, users: Sequence[str], now: datetime, actor: str | None
) -> Iterator[Target]:
    """Tell people of a notification that each of them has now, in as few entries as there may be."""
    return _told(NotificationCreated, notification, users, now, actor)


def updated(notification: StoredNotification, now: datetime, actor: str | None = None) -> Iterator[Target]:
    """Tell a person that one of theirs has changed."""
    return _told(NotificationUpdated, notification, [notification.user_id], now, actor)


def counts(user: str, unread: int) -> Target:
    """Tell a person how many are unread at this place in the stream."""
    return Target.of(NAMESPACE, (room(user),), packet(COUNTS, orjson.dumps({"unread": unread})))


def read_all(user: str) -> Target:
    """Tell a person that everything of theirs that was unread at this place in the stream is read."""
    return Target.of(NAMESPACE, (room(user),), packet(READ_ALL, b"{}"))


def room(user: str) -> str:
    return f"user:{user}"


def _told(
    model: type[NotificationEvent],
    notification: StoredNotification,
    users: Sequence[str],
    now: datetime,
    actor: str | None,
) -> Iterator[Target]:
    shown = notification.shown()
    event = model.model_validate(
        {
            **shown,
            "notification_id": shown.pop("id"),
            "user": notification.user_id,
            "time": now,
            "actor": actor,
        }
    )
    said = packet(model.name, event.to_packet(HIDDEN))
    for some in _parts(users):
        yield Target.of(NAMESPACE, tuple(map(room, some)), said)


def _parts(users: Sequence[str]) -> Iterable[Sequence[str]]:
    return (users[start : start + MOST_ROOMS] for start in range(0, len(users), MOST_ROOMS))
