"""Owns how what is told reads as a mail: HTML and plain text of the same words, and the way out of it."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, assert_never

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import escape

from routing.channels.base import Rendered, UnwritableError
from routing.consent import Links, Scope
from routing.model import Code, Content, Digest, Endpoint, Notification, Recipient
from routing.text import MAX_TEXT, plain
from routing.texts import Texts
from routing.topics import TOPICS
from routing.writers.base import ALIKE, INBOX, absolute
from routing.writers.digest import laid_out, unsubscribes_from
from schemas.events.notifications import Topic

TEMPLATES: Final = Path(__file__).parent.parent / "templates"
SUBJECT: Final = 200
PREHEADER: Final = 140

ENVIRONMENT: Final = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=select_autoescape(["html"], default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
WAY_OUT: Final = "\0"
"""Where a letter to many has the way out of one; it occurs nowhere else, as words and links are cleaned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """What every mail says of its sender."""

    public_url: str
    name: str = "hub"


@dataclass(frozen=True, slots=True)
class _Letter:
    """What everybody gets who is told the same in one language, but for the way out."""

    title: str
    text: str
    html: str
    url: str


class Mails:
    """Writes mails."""

    def __init__(self, config: MailConfig, links: Links) -> None:
        self._name = plain(config.name, SUBJECT)
        self._url = config.public_url.rstrip("/")
        self._links = links
        self._letter = lru_cache(maxsize=ALIKE)(self._written_to_all)

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        texts = Texts.of(recipient.locale)
        match content:
            case Notification():
                return self._notification(content, to, texts)
            case Digest():
                return self._digest(content, to, texts, recipient.tz)
            case Code():
                return self._code(content, texts, recipient.tz)
            case _:
                assert_never(content)

    def unsubscribe_url(self, scope: Scope) -> str:
        return f"{self._url}/u/{self._links.token(scope)}"

    def _notification(self, told: Notification, to: Endpoint, texts: Texts) -> Rendered:
        out = self.unsubscribe_url(Scope("email", to.address, told.topic))
        letter = self._letter(told.title, told.text, told.url, told.topic, texts.locale)
        return Rendered(
            title=letter.title,
            text=letter.text.replace(WAY_OUT, out),
            html=letter.html.replace(WAY_OUT, escape(out)),
            url=letter.url,
            headers=way_out(out),
            expires_at=told.expires_at,
            topic=told.topic,
            urgent=told.priority == "immediate",
        )

    def _written_to_all(
        self, title: str, text: str | None, url: str | None, topic: Topic, locale: str
    ) -> _Letter:
        texts = Texts.of(locale)
        news = texts.say("News from {name}", name=self._name)
        title, text = plain(title, SUBJECT) or news, plain(text or "", MAX_TEXT)
        words = self._words(texts) | {
            "title": title,
            "text": text,
            "preheader": plain(text, PREHEADER) or news,
            "url": absolute(self._url, url or INBOX),
            "topic": texts.say(TOPICS[topic]),
            "unsubscribe_url": WAY_OUT,
        }
        written, marked = _written("notification.txt", words), _written("notification.html", words)
        return _Letter(title, written, marked, words["url"])

    def _digest(self, digest: Digest, to: Endpoint, texts: Texts, tz: str | None) -> Rendered:
        layout, topic = laid_out(digest, texts, public_url=self._url, tz=tz), unsubscribes_from(digest)
        out = self.unsubscribe_url(Scope("email", to.address, topic))
        words = self._words(texts) | {
            "title": layout.title,
            "preheader": plain(", ".join(item.title for item in digest.items), PREHEADER),
            "digest": layout,
            "url": layout.url,
            "why": self._why(digest, topic, texts),
            "unsubscribe_url": out,
        }
        return Rendered(
            title=layout.title,
            text=_written("digest.txt", words),
            html=_written("digest.html", words),
            url=layout.url,
            headers=way_out(out),
            topic=topic or None,
        )

    def _why(self, digest: Digest, topic: str, texts: Texts) -> str:
        if digest.kind == "scheduled" and digest.mode == "weekly":
            return texts.say("You get this from {name} once a week.", name=self._name)
        if digest.kind == "scheduled":
            return texts.say("You get this from {name} once a day.", name=self._name)
        if not topic:
            return texts.say("You get mails from {name}, gathered so that they stay few.", name=self._name)
        about = texts.say(TOPICS[topic])
        return texts.say("You get mails about {topic} from {name}.", topic=about, name=self._name)

    def _code(self, code: Code, texts: Texts, tz: str | None) -> Rendered:
        """Nothing here can be unsubscribed from: the person asked for it, once."""
        if code.channel != "email":
            raise UnwritableError(f"a code for {code.channel} is not sent by mail")
        title = texts.say("Confirm your e-mail address")
        words = self._words(texts) | {
            "title": title,
            "text": texts.say(
                "This address was added to an account at {name}. If that was you, confirm it.",
                name=self._name,
            ),
            "preheader": texts.say("News from {name}", name=self._name),
            "url": absolute(self._url, code.said),
            "until": texts.moment(code.expires_at, tz),
        }
        return Rendered(
            title=title,
            text=_written("code.txt", words),
            html=_written("code.html", words),
            url=words["url"],
            expires_at=code.expires_at,
            urgent=True,
        )

    def _words(self, texts: Texts) -> dict[str, Any]:
        return {
            "say": texts.say,
            "locale": texts.locale,
            "name": self._name,
            "preferences_url": f"{self._url}/preferences",
        }


def way_out(url: str) -> dict[str, str]:
    """Headers by which a mail program unsubscribes with one click (RFC 8058)."""
    return {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _written(template: str, words: dict[str, Any]) -> str:
    return ENVIRONMENT.get_template(template).render(words)
