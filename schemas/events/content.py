"""Owns the events about posts, videos, articles and shorts."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from schemas.events.base import Audience, Event
from schemas.events.members import Id, Seconds, Text, Title, Url, Users
from schemas.ids import UserId


class ContentEvent(Event):
    """Something about one piece of content."""

    subject_kind: ClassVar = "content"
    subject_member: ClassVar = "content_id"

    content_id: Id
    author: UserId


class SeenOnContent(ContentEvent):
    """Shown live to those who look at the content."""

    def audience(self) -> Iterable[Audience]:
        return (Audience("/feed", f"content:{self.content_id}"),)


class ContentCreated(ContentEvent):
    """Someone published a post, a video, an article or a short."""

    name: ClassVar = "content.created"

    kind: Literal["post", "video", "article", "short"]
    title: Title
    zone: Id | None = None
    url: Url | None = None
    mentions: Users | None = None

    def audience(self) -> Iterable[Audience]:
        yield Audience("/feed", "feed")
        if self.zone is not None:
            yield Audience("/feed", f"zone:{self.zone}")


class ContentLiked(SeenOnContent):
    """Someone liked a piece of content."""

    name: ClassVar = "content.liked"


class ContentUnliked(SeenOnContent):
    """Someone took a like back."""

    name: ClassVar = "content.unliked"


class ContentCommented(SeenOnContent):
    """Someone commented on a piece of content."""

    name: ClassVar = "content.commented"

    text: Text
    mentions: Users | None = None


class ContentShared(SeenOnContent):
    """Someone shared a piece of content."""

    name: ClassVar = "content.shared"


class ContentSaved(ContentEvent):
    """Someone kept a piece of content for later; nobody else is told."""

    name: ClassVar = "content.saved"


class ContentViewed(ContentEvent):
    """Someone looked at a piece of content; nobody else is told."""

    name: ClassVar = "content.viewed"

    seconds: Seconds | None = None


class ContentDeleted(SeenOnContent):
    """A piece of content is gone."""

    name: ClassVar = "content.deleted"
