"""Owns how a notification reads on a lock screen: a title, a line or two, and where a tap leads."""

from dataclasses import dataclass

from routing.channels.base import Rendered, UnwritableError
from routing.model import Content, Endpoint, Notification, Recipient
from routing.text import MAX_TEXT, MAX_TITLE, plain
from routing.writers.base import INBOX, absolute


@dataclass(frozen=True, slots=True)
class PushWriter:
    """Writes notifications; of digests and codes there is nothing for a lock screen."""

    public_url: str

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        if not isinstance(content, Notification):
            raise UnwritableError(f"push carries no {type(content).__name__.lower()}, only notifications")
        return Rendered(
            title=plain(content.title, MAX_TITLE),
            text=plain(content.text or "", MAX_TEXT),
            url=absolute(self.public_url, content.url or INBOX),
            expires_at=content.expires_at,
            topic=content.topic,
            urgent=content.priority == "immediate",
            badge=unread,
            group=content.collapse or content.topic,
        )
