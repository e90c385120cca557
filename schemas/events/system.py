"""Owns the events the platform speaks in its own name: announcements and milestones."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Id, Integer, Text, Title, Url
from schemas.ids import UserId


class SystemAnnounced(Event):
    """The platform tells everyone something."""

    name: ClassVar = "system.announced"
    subject_kind: ClassVar = "system"

    title: Title
    text: Text
    url: Url | None = None

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", "everyone"),)


class MilestoneReached(Event):
    """A user reached a milestone, such as the thousandth follower."""

    name: ClassVar = "milestone.reached"
    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "user"

    user: UserId
    kind: Id
    value: Integer

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.user}"),)
