"""Owns what tests of writers write: contents, a recipient, and what a reader of HTML sees."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from uuid import UUID

from routing.members import ChannelKind
from routing.model import Code, Digest, DigestItem, Endpoint, Notification, Recipient
from routing.preferences import DEFAULT

URL = "https://hub.example.com"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = UUID(int=1)
ADDRESSES = {"email": "ann@example.com", "sms": "+15550100", "telegram": "4242", "push": "token"}


def tip(**members: Any) -> Notification:
    told: dict[str, Any] = {"topic": "tips", "priority": "immediate", "title": "Bob tipped you"}
    return Notification(event_id=ID, **told | members)


def digest(*items: DigestItem, **members: Any) -> Digest:
    told: dict[str, Any] = {"kind": "scheduled", "mode": "weekly"}
    return Digest(id=ID, items=items, **told | members)


def item(**members: Any) -> DigestItem:
    told: dict[str, Any] = {"topic": "likes", "title": "Bob liked your post", "text": None, "url": None}
    return DigestItem(at=NOON, count=1, notification_id=ID, **told | members)


def code(channel: ChannelKind, said: str) -> Code:
    return Code(id=ID, channel=channel, said=said, expires_at=NOON)


def endpoint(channel: ChannelKind) -> Endpoint:
    return Endpoint(id=ID, channel=channel, address=ADDRESSES[channel])


def recipient(locale: str = "en", tz: str | None = None) -> Recipient:
    return Recipient(user="ann", preferences=DEFAULT, locale=locale, tz=tz)


class Words(HTMLParser):
    """What a reader sees, where the links lead, and every tag that there is."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.links, self.tags = "", list[str](), list[str]()
        self.lang: str | None = None
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(f"{tag} {sorted(name for name, _ in attrs)}")
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
        if tag == "html":
            self.lang = dict(attrs).get("lang")
