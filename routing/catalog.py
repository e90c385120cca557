"""Owns the catalogue: which event is told to whom, under which topic, and in which words.

The words are English, and the keys of other languages' catalogues; see `routing.texts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from routing.members import PRIORITIES
from routing.model import Notification
from routing.text import MAX_TEXT, MAX_TITLE, Headline, called
from routing.texts import Texts
from routing.words import fill
from schemas.events import content, governance, hours, live, messages, storefront, system, users
from schemas.events.base import Event
from schemas.events.notifications import Priority, Topic

AudienceKind = Literal["followers", "subscribers", "zone", "conversation"]


@dataclass(frozen=True, slots=True)
class Person:
    """The one user a member of the event names."""

    member: str

    def users(self, event: Event) -> tuple[str, ...]:
        user: str | None = getattr(event, self.member)
        return () if user is None else (user,)


@dataclass(frozen=True, slots=True)
class People:
    """The users that a member of the event lists."""

    member: str

    def users(self, event: Event) -> tuple[str, ...]:
        listed: tuple[str, ...] | None = getattr(event, self.member)
        return tuple(dict.fromkeys(listed or ()))


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who follow a user or subscribe to them, belong to a zone or to a conversation."""

    kind: AudienceKind
    member: str

    def target(self, event: Event) -> str | None:
        """Whose, or of what; None where the event names none: then it is nobody."""
        named: str | None = getattr(event, self.member)
        return named


@dataclass(frozen=True, slots=True)
class Everyone:
    """All users there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. What stands in braces is explained at `routing.words.fill`."""

    topic: Topic
    recipients: Person | People | Audience | Everyone
    title: str
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Titles by the event's `kind`: a noun cannot be put into the sentences of every language."""
    else_title: str | None = None
    """Where the event lacks what `title` speaks of."""
    many: str | None = None
    """The title of several events in one; without it, several only differ in `{who}`."""
    counts: Literal["actors", "events"] = "actors"
    text: str | None = None
    """Left out where the event lacks what it speaks of."""
    url: str | None = None
    """The member that holds the link."""
    actor: str = "actor"
    """The member that names who did it."""
    collapse: str | None = None
    """The member by which unread notifications of the topic become one."""
    expires_after: timedelta | None = None

    @property
    def priority(self) -> Priority:
        return PRIORITIES[self.topic]


_SILENT: Final[tuple[Entry, ...]] = ()

CATALOG: Final[Mapping[type[Event], tuple[Entry, ...]]] = {
    # A person hears of an event once: by the first row that is about them.
    content.ContentCreated: (
        Entry(
            topic="mentions",
            recipients=People("mentions"),
            actor="author",
            title="{who} mentioned you",
            kinds={
                "post": "{who} mentioned you in a post",
                "video": "{who} mentioned you in a video",
                "article": "{who} mentioned you in an article",
                "short": "{who} mentioned you in a short",
            },
            text="{title}",
            url="url",
        ),
        Entry(
            topic="follows",
            recipients=Audience("followers", "author"),
            actor="author",
            title="{who} published something new",
            kinds={
                "post": "{who} published a post",
                "video": "{who} published a video",
                "article": "{who} published an article",
                "short": "{who} published a short",
            },
            text="{title}",
            url="url",
        ),
    ),
    content.ContentLiked: (
        Entry(
            topic="likes",
            recipients=Person("author"),
            title="{who} liked your post",
            collapse="content_id",
        ),
    ),
    content.ContentCommented: (
        Entry(
            topic="mentions",
            recipients=People("mentions"),
            title="{who} mentioned you in a comment",
            text="{text}",
        ),
        Entry(
            topic="comments",
            recipients=Person("author"),
            title="{who} commented on your post",
            text="{text}",
            collapse="content_id",
        ),
    ),
    content.ContentShared: (
        Entry(
            topic="shares",
            recipients=Person("author"),
            title="{who} shared your post",
            collapse="content_id",
        ),
    ),
    content.ContentUnliked: _SILENT,
    content.ContentSaved: _SILENT,
    content.ContentViewed: _SILENT,
    content.ContentDeleted: _SILENT,
    hours.HoursTipped: (
        Entry(topic="tips", recipients=Person("to"), title="{who} tipped you {hours}", text="{note}"),
    ),
    hours.HoursEarned: _SILENT,
    hours.HoursSpent: _SILENT,
    users.UserRegistered: _SILENT,
    users.UserFollowed: (
        Entry(
            topic="follows",
            recipients=Person("target"),
            title="{who} started following you",
            collapse="target",
        ),
    ),
    users.UserUnfollowed: _SILENT,
    users.UserSubscribed: (
        Entry(
            topic="subscribers",
            recipients=Person("target"),
            title="{who} subscribed to you",
            collapse="target",
        ),
    ),
    users.UserUnsubscribed: _SILENT,
    users.ZoneJoined: _SILENT,
    users.ZoneLeft: _SILENT,
    live.LiveStarted: tuple(
        Entry(
            topic="live",
            recipients=audience,
            actor="host",
            title="{who} is live",
            text="{title}",
            url="playback_url",
            expires_after=timedelta(minutes=30),
        )
        for audience in (Audience("subscribers", "host"), Audience("followers", "host"))
    ),
    live.LiveEnded: _SILENT,
    live.LiveViewerJoined: _SILENT,
    messages.MessageSent: (
        Entry(
            topic="messages",
            recipients=Audience("conversation", "conversation_id"),
            actor="sender",
            title="{who} sent you a message",
            many="{who} sent you {count} messages",
            counts="events",
            collapse="conversation_id",
        ),
    ),
    messages.MessageEdited: _SILENT,
    messages.MessageDeleted: _SILENT,
    messages.MessageReacted: _SILENT,
    messages.MessageDelivered: _SILENT,
    messages.MessageRead: _SILENT,
    messages.ConversationCreated: _SILENT,
    messages.ConversationUpdated: _SILENT,
    messages.ConversationMemberAdded: _SILENT,
    messages.ConversationMemberRemoved: _SILENT,
    storefront.StorefrontPurchased: (
        Entry(
            topic="sales",
            recipients=Person("seller"),
            actor="buyer",
            title="{who} bought {item} for {price}",
            else_title="{who} bought something for {price}",
        ),
    ),
    storefront.StorefrontMembershipNew: (
        Entry(
            topic="memberships",
            recipients=Person("creator"),
            actor="member",
            title="{who} became a {tier} member ({price})",
            else_title="{who} became a member ({price})",
        ),
    ),
    governance.GovernanceProposalCreated: (
        Entry(
            topic="governance",
            recipients=Audience("zone", "zone"),
            title="New proposal: {title}",
            else_title="New proposal",
            text="Voting closes on {closing}",
        ),
    ),
    governance.GovernanceVoteCast: _SILENT,
    system.SystemAnnounced: (
        Entry(
            topic="announcements",
            recipients=Everyone(),
            title="{title}",
            else_title="Announcement",
            text="{text}",
            url="url",
        ),
    ),
    system.MilestoneReached: (
        Entry(
            topic="milestones",
            recipients=Person("user"),
            title="You reached {number} {what}",
            else_title="You reached a milestone",
        ),
    ),
}


def said(
    event: Event,
    entry: Entry,
    names: Mapping[str, str],
    locale: str | None = None,
    tz: str | None = None,
) -> Notification:
    """An event as one row tells it in a language; `names` of users, where they have one."""
    actor, texts = _member(event, entry.actor), Texts.of(locale)
    text = None if entry.text is None else texts.pattern(entry.text)
    return Notification(
        event_id=event.id,
        topic=entry.topic,
        priority=entry.priority,
        title=_title(event, entry, texts, None if actor is None else called(actor, names), tz),
        text=None if text is None else fill(text, event, texts, limit=MAX_TEXT, tz=tz),
        url=None if entry.url is None else _member(event, entry.url),
        actor=actor,
        content=_member(event, "content_id"),
        zone=_member(event, "zone"),
        conversation=_member(event, "conversation_id"),
        collapse=None if entry.collapse is None else f"{entry.topic}:{_member(event, entry.collapse)}",
        headline=_headline(entry, texts),
        expires_at=None if entry.expires_after is None else _after(event.time, entry.expires_after),
    )


def _title(event: Event, entry: Entry, texts: Texts, name: str | None, tz: str | None) -> str:
    who = texts.names([] if name is None else [name], 1)
    for template in (_first_title(event, entry), entry.else_title):
        if template is None:
            continue
        # One event, in the form that goes with one: of some titles there is another for several.
        words = texts.pattern_of(template, template, 1) if entry.collapse else texts.pattern(template)
        if title := fill(words, event, texts, limit=MAX_TITLE, who=who, tz=tz):
            return title
    return who


def _first_title(event: Event, entry: Entry) -> str:
    kind = _member(event, "kind") if entry.kinds else None
    return entry.title if kind is None else entry.kinds.get(kind, entry.title)


def _headline(entry: Entry, texts: Texts) -> Headline | None:
    if entry.collapse is None:
        return None
    return Headline(one=entry.title, many=entry.many, counts=entry.counts, locale=texts.locale)


def _member(event: Event, name: str) -> str | None:
    value: str | None = getattr(event, name, None)
    return value


def _after(moment: datetime, span: timedelta) -> datetime:
    # an event may be of the last day that datetime knows
    return min(moment, datetime.max.replace(tzinfo=UTC) - span) + span
