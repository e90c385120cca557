"""Owns the events that show a person their notifications live; they go to sockets and are not in the log."""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from schemas.events.base import ENVELOPE, Audience, Event
from schemas.events.members import Position, Text, Time, Title, Url, Users, Uuid, Uuids
from schemas.ids import UserId

Topic = Literal[
    "tips",
    "sales",
    "memberships",
    "live",
    "likes",
    "comments",
    "shares",
    "follows",
    "subscribers",
    "mentions",
    "messages",
    "governance",
    "milestones",
    "announcements",
]
Priority = Literal["immediate", "standard", "batch", "silent"]


# One packet may serve a thousand people: it names none of them.
HIDDEN: Final = frozenset({"user"})


class NotificationEvent(Event):
    """A notification as its recipient sees it."""

    subject_kind: ClassVar = "notification"
    subject_member: ClassVar = "notification_id"
    push_only: ClassVar = True

    user: UserId
    # `id` in the data of the wire, where the name is not taken by the event's own
    notification_id: Uuid = Field(serialization_alias="id")
    topic: Topic
    priority: Priority
    title: Title
    text: Text | None = None
    url: Url | None = None
    actors: Users | None = None
    count: Position
    event_ids: Uuids | None = None
    created_at: Time
    updated_at: Time
    state: Literal["unread", "read", "archived"]

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.user}", hide=HIDDEN),)

    def data(self, hide: frozenset[str] = frozenset()) -> dict[str, Any]:
        """As the inbox answers it: what it does not have is null."""
        return self.model_dump(mode="json", by_alias=True, exclude={*ENVELOPE, *hide})


class NotificationCreated(NotificationEvent):
    """A person has a new notification."""

    name: ClassVar = "notification.created"


class NotificationUpdated(NotificationEvent):
    """A notification gathered more events, or was read or archived."""

    name: ClassVar = "notification.updated"
