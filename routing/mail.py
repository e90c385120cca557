"""Owns how a notification reads as a mail: HTML and plain text of the same words, and the way out of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from routing.channels.base import Rendered
from routing.consent import Links, Scope
from routing.model import Endpoint, Notification

TEMPLATES: Final = Path(__file__).parent / "templates"
SUBJECT: Final = 200
PREHEADER: Final = 140
# What a person reads of a topic, in "You get mails about …".
TOPICS: Final = {
    "tips": "tips",
    "sales": "sales",
    "memberships": "memberships",
    "live": "live streams",
    "likes": "likes",
    "comments": "comments",
    "shares": "shares",
    "follows": "people you follow and new followers",
    "subscribers": "subscribers",
    "mentions": "mentions",
    "messages": "messages",
    "governance": "proposals",
    "milestones": "milestones",
    "announcements": "announcements",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MailConfig:
    """What every mail says of its sender."""

    public_url: str
    name: str = "hub"


class Mails:
    """Renders notifications as mails."""

    def __init__(self, config: MailConfig, links: Links) -> None:
        self._config = config
        self._url = config.public_url.rstrip("/")
        self._links = links
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(["html"], default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, notification: Notification, to: Endpoint) -> Rendered:
        out = self.unsubscribe_url(Scope("email", to.address, notification.topic))
        words = self._words(notification, out)
        return Rendered(
            title=_one_line(notification.title, SUBJECT),
            text=self._templates.get_template("notification.txt").render(words),
            html=self._templates.get_template("notification.html").render(words),
            url=words["url"],
            headers={
                "List-Unsubscribe": f"<{out}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            expires_at=notification.expires_at,
        )

    def unsubscribe_url(self, scope: Scope) -> str:
        return f"{self._url}/u/{self._links.token(scope)}"

    def _words(self, notification: Notification, out: str) -> dict[str, Any]:
        return {
            "name": self._config.name,
            "title": notification.title,
            "text": notification.text or "",
            "preheader": _one_line(notification.text or f"News from {self._config.name}", PREHEADER),
            "url": self._absolute(notification.url),
            "topic": TOPICS.get(notification.topic, notification.topic),
            "unsubscribe_url": out,
            "preferences_url": f"{self._url}/preferences",
        }

    def _absolute(self, url: str | None) -> str:
        """Where the button leads: nowhere but to a web page."""
        if url and url.startswith(("https://", "http://")):
            return url
        return self._url + url if url and url.startswith("/") else self._url + "/"


def _one_line(text: str, most: int) -> str:
    """Without line breaks, which would end a header; cut where it is too long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1].rstrip() + "…"
