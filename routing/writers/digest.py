"""Owns how a digest is laid out on every channel: its items by topic under headings, each with its link."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from routing.digest import TOPIC
from routing.members import TOPICS
from routing.model import Digest, DigestItem
from routing.text import MAX_TITLE, plain
from routing.texts import Texts
from routing.topics import TOPICS as CALLED
from routing.writers.base import INBOX, absolute
from schemas.events.notifications import Topic

MOST_LINES: Final = 8
"""Of one topic; the rest is counted."""
MOST_TEXT: Final = 160
EVERY_TOPIC: Final = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One notification."""

    title: str
    text: str
    url: str
    """Where it happened; to the inbox where nothing says that."""
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What there is of one topic, the latest first."""

    heading: str
    lines: tuple[Line, ...]
    more: str
    """How many are left out; empty when none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A whole digest in one language."""

    title: str
    said: str
    """How much it is."""
    groups: tuple[Group, ...]
    url: str
    """To all of it."""


def laid_out(digest: Digest, texts: Texts, *, public_url: str, tz: str | None) -> Layout:
    """Say a digest in a language and zone, with links that may be followed."""
    groups = tuple(
        Group(
            heading=heading(topic, texts),
            lines=tuple(_line(item, digest, texts, public_url, tz) for item in items[:MOST_LINES]),
            more=_more(len(items) - MOST_LINES, texts),
        )
        for topic, items in grouped(digest)
    )
    return Layout(
        title=title(digest, texts),
        said=texts.many(
            "{n} thing that you have not read yet",
            "{n} things that you have not read yet",
            len(digest.items),
        ),
        groups=groups,
        url=absolute(public_url, INBOX),
    )


def grouped(digest: Digest) -> Iterator[tuple[Topic, list[DigestItem]]]:
    """The items of each topic, the most urgent topic and the latest item first."""
    for topic in TOPICS:
        if items := [item for item in digest.items if item.topic == topic]:
            yield topic, sorted(items, key=lambda item: item.at, reverse=True)


def heading(topic: Topic, texts: Texts) -> str:
    called = texts.say(CALLED[topic])
    return called[:1].upper() + called[1:]


def title(digest: Digest, texts: Texts) -> str:
    """What the digest is called; a mail that was only put off is called as what is in it."""
    if digest.kind == "scheduled":
        return texts.say("Your weekly digest" if digest.mode == "weekly" else "Your daily digest")
    if len(digest.items) == 1:
        return plain(digest.items[0].title, MAX_TITLE)
    return texts.many("{n} new notification", "{n} new notifications", len(digest.items))


def unsubscribes_from(digest: Digest) -> str:
    """The topic of consent that a person means who wants no more mails like this one."""
    if digest.kind == "scheduled":
        return TOPIC
    topics = {item.topic for item in digest.items}
    return topics.pop() if len(topics) == 1 else EVERY_TOPIC


def _line(item: DigestItem, digest: Digest, texts: Texts, public_url: str, tz: str | None) -> Line:
    is_of_a_week = digest.kind == "scheduled" and digest.mode == "weekly"
    return Line(
        title=plain(item.title, MAX_TITLE),
        text=plain(item.text or "", MOST_TEXT),
        url=absolute(public_url, item.url or INBOX),
        at=texts.date(item.at, tz) if is_of_a_week else texts.time(item.at, tz),
    )


def _more(left: int, texts: Texts) -> str:
    return texts.many("and {n} more", "and {n} more", left) if left > 0 else ""
