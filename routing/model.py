"""Owns the words of routing: what is told to whom, what a person has and wants, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from routing.members import CHANNELS, ChannelKind
from routing.preferences import Preferences
from routing.text import Headline
from schemas.events.notifications import Priority, Topic

__all__ = [
    "CHANNELS",  # with ChannelKind from below: who speaks of the rest speaks of these
    "Action",
    "ChannelKind",
    "Code",
    "Content",
    "Decision",
    "Digest",
    "DigestItem",
    "Endpoint",
    "Notification",
    "Reason",
    "Recipient",
]

Action = Literal["send", "hold", "digest", "drop"]
Reason = Literal[
    "own_action",
    "blocked",
    "channel_off",
    "topic_off",
    "unsubscribed",
    "muted",
    "below_priority",
    "no_endpoint",
    "expired",
    "read_already",
    "digest",
    "quiet_hours",
    "email_spacing",
    "rate_limited",
    "preferences",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address on a channel that may be used; in-app has none."""

    id: UUID
    channel: ChannelKind
    address: str
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One event as it is told to a person, before anybody's wishes."""

    event_id: UUID
    topic: Topic
    priority: Priority
    title: str
    text: str | None = None
    url: str | None = None
    actor: str | None = None
    content: str | None = None
    zone: str | None = None
    conversation: str | None = None
    collapse: str | None = None
    """Unread notifications of one person with the same key become one."""
    headline: Headline | None = None
    """How the title is told anew when they do; there where `collapse` is."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestItem:
    """What a digest says of one notification."""

    topic: Topic
    title: str
    text: str | None
    url: str | None
    at: datetime
    count: int
    notification_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What was gathered for an endpoint, and is told at once."""

    id: UUID
    kind: Literal["scheduled", "spacing"]
    items: tuple[DigestItem, ...]
    mode: Literal["daily", "weekly"]
    left_out: Reason = "read_already"
    """Why most of what is not told is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What proves an address to be its owner's; only its reader may ever see `said`."""

    id: UUID
    channel: ChannelKind
    said: str = field(repr=False)
    """Six digits, or of e-mail an absolute link."""
    expires_at: datetime


Content: TypeAlias = Notification | Digest | Code
"""What a delivery carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """What must be known of a person to decide."""

    user: str
    preferences: Preferences
    tz: str | None = None
    """IANA name from the profile, where quiet hours name none."""
    endpoints: tuple[Endpoint, ...] = ()
    refused: Mapping[UUID, frozenset[str]] = field(default_factory=dict)
    """Of each endpoint, the topics that consent forbids; `""` stands for all."""
    blocked: frozenset[str] = frozenset()
    """Users whose doings this person must not hear of."""
    mailed_at: datetime | None = None
    """When the last e-mail went out."""
    suspended: bool = False
    """Shut out for now: the inbox fills all the same, for when they are back."""
    limited: frozenset[ChannelKind] = frozenset()
    """Channels on which this person got too much of late."""
    locale: str = "en"
    """One of those that texts exist in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was chosen for one endpoint, or for a channel without one."""

    channel: ChannelKind
    endpoint: UUID | None
    action: Action
    reason: Reason
    until: datetime | None = None
