"""Owns what a person prefers: channels, topics, quiet hours, digest, mutes; and the defaults."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from routing.members import CHANNELS, PRIORITIES, TOPICS, ChannelKind, Day, Part, TimeOfDay, Topics, at_most
from routing.quiet_hours import QuietHours
from schemas.events.members import Id, Time
from schemas.events.notifications import Priority, Topic
from schemas.ids import UserId
from schemas.profile import Locale

Wish = Literal["send", "digest", "channel_off", "topic_off"]
Wishes = tuple[Wish, ...]
"""In the order of CHANNELS."""
MuteKind = Literal["user", "content", "zone", "conversation"]

MAX_MUTES: Final = 1_000

_REACHES: Final[Mapping[Priority, tuple[ChannelKind, ...]]] = {
    "immediate": CHANNELS,
    "standard": ("in_app", "push", "telegram"),
    "batch": ("in_app",),
    "silent": ("in_app",),
}
_MUTABLE: Final[tuple[MuteKind, ...]] = ("user", "content", "zone", "conversation")
# Deeper than a document: what a stranger nests further is refused, and must not exhaust the stack before.
_DEPTH: Final = 8


class Switch(Part):
    """Whether a channel is used at all."""

    enabled: bool = True


class SmsSwitch(Switch):
    """SMS is used only by those who ask for it."""

    enabled: bool = False


class Channels(Part):
    """Which channels are used."""

    in_app: Switch = Switch()
    push: Switch = Switch()
    sms: SmsSwitch = SmsSwitch()
    email: Switch = Switch()
    telegram: Switch = Switch()


class Row(Part):
    """On which channels a topic is wanted; where nothing is said, its priority decides."""

    in_app: bool | None = None
    push: bool | None = None
    sms: bool | None = None
    email: bool | None = None
    telegram: bool | None = None


class Grid(Part):
    """Topics and channels."""

    tips: Row = Row()
    sales: Row = Row()
    memberships: Row = Row()
    live: Row = Row()
    likes: Row = Row()
    comments: Row = Row()
    shares: Row = Row()
    follows: Row = Row()
    subscribers: Row = Row()
    mentions: Row = Row()
    messages: Row = Row()
    governance: Row = Row()
    milestones: Row = Row()
    announcements: Row = Row()


class Digest(Part):
    """What is gathered, and when and on which channel it is sent."""

    mode: Literal["off", "daily", "weekly"] = "weekly"
    at: TimeOfDay = "08:00"
    weekday: Day = "mon"
    channel: Literal["email", "telegram"] = "email"
    topics: Topics = Field((), description="beside those that are gathered by themselves")


class Mute(Part):
    """Whom or what a person does not want to hear of, perhaps only until a time."""

    user: UserId | None = None
    content: Id | None = None
    zone: Id | None = None
    conversation: Id | None = None
    until: Time | None = None

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in _MUTABLE) != 1:
            raise PydanticCustomError("mute", "must name one user, content, zone or conversation")
        return self

    def holds(self, now: datetime) -> bool:
        return self.until is None or self.until > now


class Preferences(Part):
    """Everything a person prefers; what they left out has its default."""

    channels: Channels = Channels()
    topics: Grid = Grid()
    quiet_hours: QuietHours = QuietHours()
    digest: Digest = Digest()
    muted: Annotated[tuple[Mute, ...], Field(strict=False, max_length=MAX_MUTES), at_most(MAX_MUTES)] = ()
    locale: Locale = "en"

    def wishes(self, topic: Topic, priority: Priority) -> Wishes:
        """What is wanted on each channel, in the order of CHANNELS."""
        found = self.known_wishes.get((topic, priority))
        if found is None:
            found = tuple(self.wants(topic, priority, channel) for channel in CHANNELS)
            self.known_wishes[topic, priority] = found
        return found

    @cached_property
    def known_wishes(self) -> dict[tuple[Topic, Priority], Wishes]:
        """Worked out once: whole audiences share the defaults."""
        return {}

    def wants(self, topic: Topic, priority: Priority, channel: ChannelKind) -> Wish:
        switch: Switch = getattr(self.channels, channel)
        if not switch.enabled:
            return "channel_off"
        said = self.says(topic, channel)
        if said is False:
            return "topic_off"
        if self._gathers(topic, priority, channel):
            return "digest"
        return "send" if said or channel in _REACHES[priority] else "topic_off"

    def mutes(self, about: Mapping[MuteKind, str | None], now: datetime) -> bool:
        """Whether any of this is muted."""
        return any(mute.holds(now) for named in about.items() for mute in self._mutes_by_name.get(named, ()))

    @cached_property
    def _mutes_by_name(self) -> Mapping[tuple[MuteKind, str | None], list[Mute]]:
        found: dict[tuple[MuteKind, str | None], list[Mute]] = {}
        for mute in self.muted:
            for kind in _MUTABLE:
                if (name := getattr(mute, kind)) is not None:
                    found.setdefault((kind, name), []).append(mute)
        return found

    def means(self, topic: Topic, channel: ChannelKind) -> bool:
        """Whether a topic reaches a channel, apart or in the digest, as long as the channel is used."""
        said = self.says(topic, channel)
        return self._means_unsaid(topic, channel) if said is None else said

    def to_store(self, before: "Preferences | None" = None) -> dict[str, Any]:
        """What the person said, without what goes without saying.

        What they say that is the default anyway must not outlast a change of the digest; what they said
        `before` must.
        """
        document = self._document()
        if "topics" in document:
            rows = {topic: self._own_choices(topic, before or DEFAULT) for topic in TOPICS}
            document["topics"] = {topic: row for topic, row in rows.items() if row}
        return document

    def put_back(self, before: Mapping[str, Any], shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What to store in place of what was said before.

        `shown` are what that is shown as, and what who never said anything is shown. Who sends all of it
        back says only what is new in it: the rest must not outlast a change of the digest or the profile,
        also when the same is sent twice.
        """
        said, document = _readable(before), self._document()
        if self._says_every_choice():
            for one in shown:
                document = _changed(document, one, said)
        return Preferences.model_validate(document).to_store(Preferences.model_validate(said))

    def _document(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def _says_every_choice(self) -> bool:
        """As only what was shown does: by hand, people name what differs."""
        return all(self.says(topic, channel) is not None for topic in TOPICS for channel in CHANNELS)

    def _own_choices(self, topic: Topic, before: "Preferences") -> dict[ChannelKind, bool]:
        said = {channel: self.says(topic, channel) for channel in CHANNELS}
        return {
            channel: wanted
            for channel, wanted in said.items()
            if wanted is not None
            and (wanted != self._means_unsaid(topic, channel) or wanted == before.says(topic, channel))
        }

    def says(self, topic: Topic, channel: ChannelKind) -> bool | None:
        said: bool | None = getattr(getattr(self.topics, topic), channel)
        return said

    def _means_unsaid(self, topic: Topic, channel: ChannelKind) -> bool:
        priority = PRIORITIES[topic]
        return channel in _REACHES[priority] or self._gathers(topic, priority, channel)

    def _gathers(self, topic: Topic, priority: Priority, channel: ChannelKind) -> bool:
        digest = self.digest
        if digest.mode == "off" or digest.channel != channel:
            return False
        return priority == "batch" or topic in digest.topics


DEFAULT: Final = Preferences()


def read(document: Mapping[str, Any]) -> Preferences:
    """What a person said; of what a newer hub wrote, all that can be read here.

    The default counts for the rest, of a list for the whole item: half a mute would be another one.
    """
    return Preferences.model_validate(_readable(document))


def _readable(document: Mapping[str, Any]) -> Mapping[str, Any]:
    left = document
    while left:
        try:
            Preferences.model_validate(left)
        except ValidationError as error:
            less = _without(left, [one["loc"] for one in error.errors()]) or {}
            left = {} if less == left else less
        else:
            return left
    return {}


def _without(part: Any, places: Sequence[Sequence[str | int]]) -> Any:
    """A document without what is at these places; None where nothing is left to go without."""
    inner: dict[str | int, list[Sequence[str | int]]] = {}
    for place in places:
        if not place or not isinstance(part, Mapping) or place[0] not in part:
            return None
        inner.setdefault(place[0], []).append(place[1:])
    kept = dict(part)
    for name, rests in inner.items():
        value = kept.pop(name)
        if isinstance(value, list) and all(rests):
            wrong = {rest[0] for rest in rests}
            kept[name] = [one for n, one in enumerate(value) if n not in wrong]
        elif all(rests) and (rest := _without(value, rests)):
            kept[name] = rest
    return kept


def merge(document: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What to store after a JSON Merge Patch (RFC 7396); a ValidationError where the outcome is wrong."""
    said = _readable(document)
    merged = Preferences.model_validate(_merged(said, patch, _DEPTH))
    return merged.to_store(Preferences.model_validate(said))


def effective(document: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """All that holds for a person: with the defaults, and without mutes that are over by now."""
    preferences = read(document)
    whole = preferences.model_dump(mode="json", by_alias=True)
    whole["topics"] = {
        topic: {channel: preferences.means(topic, channel) for channel in CHANNELS} for topic in TOPICS
    }
    whole["muted"] = [
        mute.model_dump(mode="json", exclude_none=True)
        for mute in preferences.muted
        if now is None or mute.holds(now)
    ]
    return whole


def _changed(
    document: Mapping[str, Any], shown: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """A document without what it only repeats of what was shown, and was never said."""
    kept: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            if part := _changed(value, shown.get(name, {}), said.get(name, {})):
                kept[name] = part
        elif value != shown.get(name) or said.get(name) is not None:
            kept[name] = value
    return kept


def _merged(target: object, patch: object, depth: int) -> Any:
    if not isinstance(patch, Mapping) or depth == 0:
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value, depth - 1)
    return merged
