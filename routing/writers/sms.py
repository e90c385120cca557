"""Owns how content reads as SMS: one line and where it leads, in as few segments as are worth their price."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, assert_never

from routing.channels.base import Rendered, UnwritableError
from routing.model import Code, Content, Digest, Endpoint, Notification, Recipient
from routing.segments import PLAINER, fitted
from routing.text import plain
from routing.texts import Texts
from routing.writers.base import ALIKE, absolute

MOST: Final = 3
LONGEST_LINK: Final = 120
LINE: Final = 500
"""More than three segments hold, whatever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsConfig:
    """What every SMS says of its sender."""

    public_url: str
    name: str = "hub"


class SmsWriter:
    """Writes what is urgent, and codes; the rest is not worth its price."""

    def __init__(self, config: SmsConfig) -> None:
        self._url = config.public_url
        self._name = _line(config.name)
        self._notification = lru_cache(maxsize=ALIKE)(self._told)

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        match content:
            case Notification():
                return self._notification(content)
            case Code():
                return self._code(content, Texts.of(recipient.locale))
            case Digest():
                raise UnwritableError("digests do not go by SMS")
            case _:
                assert_never(content)

    def _told(self, notification: Notification) -> Rendered:
        if notification.priority != "immediate":
            raise UnwritableError("only what is immediate goes by SMS")
        title = _line(notification.title)
        said = f"{title}: {_line(notification.text)}" if notification.text else title
        url = self._link(notification.url)
        return Rendered(
            title=title,
            text=fitted(said, f" {url}" if url else "", MOST),
            url=url,
            topic=notification.topic,
            urgent=True,
            expires_at=notification.expires_at,
        )

    def _code(self, code: Code, texts: Texts) -> Rendered:
        if code.channel != "sms":
            raise UnwritableError(f"a code for {code.channel} does not go by SMS")
        said = texts.say(
            "{code} is your code for {name}. Do not tell it to anybody.", code=code.said, name=self._name
        )
        text = fitted(said.translate(PLAINER), "", MOST)
        return Rendered(title=self._name, text=text, urgent=True, expires_at=code.expires_at)

    def _link(self, url: str | None) -> str | None:
        """None where there is nothing to see; what would fill the message leads home instead."""
        if not url:
            return None
        link = absolute(self._url, url)
        return link if len(link) <= LONGEST_LINK and link.isascii() else absolute(self._url, None)


def _line(text: str) -> str:
    return plain(text, LINE).translate(PLAINER)
