"""Owns the events about live streams."""

from collections.abc import Iterable
from typing import ClassVar

from schemas.events.base import Audience, Event
from schemas.events.members import Id, Title, Url
from schemas.ids import UserId


class StreamEvent(Event):
    """Something about one live stream, shown to those who watch it."""

    subject_kind: ClassVar = "stream"
    subject_member: ClassVar = "stream_id"

    stream_id: Id

    def audience(self) -> Iterable[Audience]:
        yield Audience("/live", f"live:{self.stream_id}")


class BroadcastEvent(StreamEvent):
    """A broadcast began or ended: the feed hears of it, too."""

    host: UserId
    title: Title | None = None
    playback_url: Url | None = None

    def audience(self) -> Iterable[Audience]:
        yield from super().audience()
        yield Audience("/feed", "feed")


class LiveStarted(BroadcastEvent):
    """A host went live."""

    name: ClassVar = "live.started"


class LiveEnded(BroadcastEvent):
    """A live stream is over."""

    name: ClassVar = "live.ended"


class LiveViewerJoined(StreamEvent):
    """Someone started watching a live stream."""

    name: ClassVar = "live.viewer_joined"

    viewer: UserId
