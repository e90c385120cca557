"""Owns samples of all that people are told: each row of the catalogue, digests and codes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from routing.catalog import CATALOG, said
from routing.model import Code, Content, Digest, DigestItem, Notification
from routing.words import retitled
from schemas.events.base import Event
from schemas.events.content import ContentCommented, ContentCreated, ContentLiked, ContentShared
from schemas.events.governance import GovernanceProposalCreated
from schemas.events.hours import HoursTipped
from schemas.events.live import LiveStarted
from schemas.events.messages import MessageSent
from schemas.events.storefront import StorefrontMembershipNew, StorefrontPurchased
from schemas.events.system import MilestoneReached, SystemAnnounced
from schemas.events.users import UserFollowed, UserSubscribed

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
SEVERAL: Final = 14
NAMES: Final = {"ann": "Ann", "bob": "Bob", "carla": "Carla"}
_ID: Final = UUID(int=0)
_WHO: Final[dict[str, Any]] = {"time": NOW, "actor": "bob"}
_POST: Final[dict[str, Any]] = {"content_id": "c1", "author": "ann", **_WHO}
_PAID: Final[dict[str, Any]] = {"amount_cents": 123_450, "currency": "EUR", **_WHO}
_MADE: Final[dict[str, Any]] = {"author": "bob", "title": "What the river said", "mentions": ("ann",), **_WHO}

EVENTS: Final[tuple[Event, ...]] = (
    ContentCreated(content_id="c1", kind="post", url="https://example.com/c1", **_MADE),
    ContentCreated(content_id="c2", kind="video", url="https://example.com/c2", **_MADE),
    ContentCreated(content_id="c3", kind="article", url="https://example.com/c3", **_MADE),
    ContentCreated(content_id="c4", kind="short", url="https://example.com/c4", **_MADE),
    ContentLiked(**_POST),
    ContentCommented(text="I hear it every night. <3 & thanks!", mentions=("ann",), **_POST),
    ContentShared(**_POST),
    HoursTipped(to="ann", amount=1_250, note="For the river 🌊", **_WHO),
    UserFollowed(target="ann", **_WHO),
    UserSubscribed(target="ann", **_WHO),
    LiveStarted(stream_id="s1", host="bob", title="Night walk", **_WHO),
    MessageSent(conversation_id="k1", message_id="m1", seq=1, sender="bob", **_WHO),
    StorefrontPurchased(order_id="o1", seller="ann", buyer="bob", item="River stones", **_PAID),
    StorefrontPurchased(order_id="o2", seller="ann", buyer="bob", **_PAID),
    StorefrontMembershipNew(creator="ann", member="bob", tier="Gold", **_PAID),
    GovernanceProposalCreated(
        proposal_id="p1",
        title="A bench by the water",
        zone="river",
        closes_at=NOW + timedelta(days=7),
        **_WHO,
    ),
    SystemAnnounced(title="Maintenance on Sunday", text="From two to three at night.", **_WHO),
    MilestoneReached(user="ann", kind="followers", value=10_000, time=NOW),
)
_DIGESTS: Final[tuple[tuple[str, Literal["scheduled", "spacing"], Literal["daily", "weekly"]], ...]] = (
    ("weekly digest", "scheduled", "weekly"),
    ("daily digest", "scheduled", "daily"),
    ("gathered within the hour", "spacing", "daily"),
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Something a person may be told, and what it is about."""

    name: str
    topic: str
    content: Content


def samples(locale: str, tz: str, *, public_url: str) -> Iterator[Sample]:
    """Everything that is told, in a language: by itself, gathered with others, in digests; and codes."""
    told = list(_notifications(locale, tz))
    yield from told
    items = [_item(one.content) for one in told if isinstance(one.content, Notification)]
    for name, kind, mode in _DIGESTS:
        some = items[4:7] if kind == "spacing" else items[4:]
        yield Sample(name, "digest", Digest(id=_ID, kind=kind, items=tuple(some), mode=mode))
    expires = NOW + timedelta(minutes=10)
    link = f"{public_url.rstrip('/')}/verify/sample"
    yield Sample("code", "verification", Code(id=_ID, channel="email", said=link, expires_at=expires))
    yield Sample("code", "verification", Code(id=_ID, channel="sms", said="123456", expires_at=expires))


def _notifications(locale: str, tz: str) -> Iterator[Sample]:
    for event in EVENTS:
        topics = set()
        for entry in CATALOG[type(event)]:
            if entry.topic in topics:  # told in the same words to another audience
                continue
            topics.add(entry.topic)
            notification = said(event, entry, NAMES, locale, tz)
            yield Sample(event.name, entry.topic, notification)
            if notification.headline:
                title = retitled(notification.headline, [NAMES["carla"], NAMES["bob"]], SEVERAL)
                several = replace(notification, title=title)
                yield Sample(f"{event.name} × {SEVERAL}", entry.topic, several)


def _item(told: Notification) -> DigestItem:
    return DigestItem(
        topic=told.topic,
        title=told.title,
        text=told.text,
        url=told.url,
        at=NOW,
        count=1,
        notification_id=_ID,
    )
