"""Owns how what is told reads in a chat of Telegram: a bold title, its text, and a link; digests by topic."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, assert_never

from routing.channels.base import Rendered, UnwritableError
from routing.channels.telegram_text import MOST_UNITS, Part, TelegramText, length
from routing.model import Code, Content, Digest, Endpoint, Notification, Recipient
from routing.text import MAX_TEXT, MAX_TITLE, plain
from routing.texts import Texts
from routing.writers.base import ALIKE, absolute
from routing.writers.digest import Layout, laid_out

MOST_ITEMS: Final = 40
"""Telegram shows at most 100 bold and linked stretches in one message."""
FOOT: Final = 400
"""Units kept free for what stands below a list that is too long."""


class TelegramWriter:
    """Writes messages of Telegram; `public_url` is where links of the hub lead."""

    def __init__(self, public_url: str) -> None:
        self._url = public_url.rstrip("/")
        self._notification = lru_cache(maxsize=ALIKE)(self._told)

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        del to, unread
        texts = Texts.of(recipient.locale)
        match content:
            case Notification():
                return self._notification(content, texts.locale)
            case Digest():
                return self._digest(content, texts, recipient.tz)
            case Code():
                raise UnwritableError("no code is sent to Telegram: a chat is linked by /start")
            case _:
                assert_never(content)

    def _told(self, told: Notification, locale: str) -> TelegramText:
        title, text = plain(told.title, MAX_TITLE), plain(told.text or "", MAX_TEXT)
        parts = [Part(title, bold=True)]
        if text:
            parts.append(Part(f"\n{text}"))
        url = absolute(self._url, told.url) if told.url else None
        if url:
            parts += [Part("\n\n"), Part(Texts.of(locale).say("Open"), url=url)]
        return TelegramText(
            title=title,
            text="".join(part.text for part in parts),
            parts=tuple(parts),
            url=url,
            expires_at=told.expires_at,
            topic=told.topic,
            urgent=told.priority == "immediate",
        )

    def _digest(self, digest: Digest, texts: Texts, tz: str | None) -> TelegramText:
        layout = laid_out(digest, texts, public_url=self._url, tz=tz)
        parts, shown = [Part(layout.title, bold=True)], 0
        room = MOST_UNITS - FOOT - length(parts)
        for lines in _items(layout):
            room -= length(lines)
            if room < 0 or shown == MOST_ITEMS:
                break
            parts += lines
            shown += 1
        parts.append(Part("\n\n"))
        if left := len(digest.items) - shown:
            parts += [Part(texts.many("and {n} more", "and {n} more", left)), Part("\n")]
        parts.append(Part(texts.say("See all"), url=layout.url))
        text = "".join(part.text for part in parts)
        return TelegramText(title=layout.title, text=text, parts=tuple(parts), url=layout.url, topic="digest")


def _items(layout: Layout) -> Iterator[list[Part]]:
    """What is said of each item; of the first of a topic with the topic's name above."""
    for group in layout.groups:
        heading = [Part("\n\n"), Part(group.heading, bold=True)]
        for line in group.lines:
            yield [*heading, Part("\n• "), Part(line.title, url=line.url)]
            heading = []
