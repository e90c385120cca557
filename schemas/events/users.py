"""Owns the events about people: joining the platform, following each other, entering zones."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Id, Title
from schemas.ids import UserId


class UserRegistered(Event):
    """A person joined the platform."""

    name: ClassVar = "user.registered"
    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "user"

    user: UserId
    handle: Title | None = None


class TargetEvent(Event):
    """The actor did something about another person."""

    subject_kind: ClassVar = "user"
    subject_member: ClassVar = "target"

    target: UserId


class SeenByTarget(TargetEvent):
    """Shown live to the one it is about."""

    def audience(self) -> Iterable[Audience]:
        return (Audience("/notifications", f"user:{self.target}"),)


class UserFollowed(SeenByTarget):
    """The actor follows someone."""

    name: ClassVar = "user.followed"


class UserUnfollowed(TargetEvent):
    """The actor no longer follows someone; nobody is told."""

    name: ClassVar = "user.unfollowed"


class UserSubscribed(SeenByTarget):
    """The actor subscribed to someone."""

    name: ClassVar = "user.subscribed"


class UserUnsubscribed(TargetEvent):
    """The actor no longer subscribes to someone; nobody is told."""

    name: ClassVar = "user.unsubscribed"


class ZoneEvent(Event):
    """Who belongs to a zone changed."""

    subject_kind: ClassVar = "zone"
    subject_member: ClassVar = "zone"

    zone: Id
    user: UserId


class ZoneJoined(ZoneEvent):
    """A user became a member of a zone."""

    name: ClassVar = "zone.joined"


class ZoneLeft(ZoneEvent):
    """A user is no longer a member of a zone."""

    name: ClassVar = "zone.left"
