"""Owns previews: how each sample reads on a channel, written by those who write what is sent."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from routing.channels.base import Rendered, UnwritableError, Writer
from routing.consent import Links
from routing.members import ChannelKind
from routing.model import Code, Content, Endpoint, Notification, Recipient
from routing.preferences import DEFAULT
from routing.samples import Sample, samples
from routing.writers.mail import MailConfig, Mails
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from routing.writers.telegram import TelegramWriter
from schemas.ids import uuid7

TZ: Final = "Europe/Berlin"
UNREAD: Final = 3
ADDRESSES: Final[Mapping[ChannelKind, str]] = {
    "in_app": "",
    "push": "a-device",
    "sms": "+15550100",
    "email": "ann@example.com",
    "telegram": "4242",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """A sample as a channel shows it; `why` not, where it does not."""

    sample: Sample
    written: Rendered | None
    why: str | None = None


class InboxWriter:
    """The inbox shows notifications as they are."""

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        if not isinstance(content, Notification):
            raise UnwritableError(f"the inbox shows no {type(content).__name__.lower()}, only notifications")
        return Rendered(title=content.title, text=content.text or "", url=content.url, badge=unread)


def writers(public_url: str, name: str) -> dict[ChannelKind, Writer]:
    """Whoever follows a link of a preview changes nobody's consent: what signs them is forgotten at once."""
    return {
        "in_app": InboxWriter(),
        "push": PushWriter(public_url),
        "sms": SmsWriter(SmsConfig(public_url=public_url, name=name)),
        "email": Mails(MailConfig(public_url=public_url, name=name), Links(secrets.token_hex())),
        "telegram": TelegramWriter(public_url),
    }


@lru_cache(maxsize=64)
def previews(channel: ChannelKind, locale: str, public_url: str, name: str = "Hub") -> tuple[Preview, ...]:
    """Every sample on a channel in a language."""
    writer = writers(public_url, name)[channel]
    to = Endpoint(id=uuid7(), channel=channel, address=ADDRESSES[channel])
    ann = Recipient(user="ann", preferences=DEFAULT, locale=locale, tz=TZ)
    return tuple(_previews(writer, to, ann, public_url))


def _previews(writer: Writer, to: Endpoint, ann: Recipient, public_url: str) -> Iterator[Preview]:
    for sample in samples(ann.locale, TZ, public_url=public_url):
        if isinstance(sample.content, Code) and sample.content.channel != to.channel:
            continue  # each channel has a code of its own, or none
        try:
            yield Preview(sample, writer.write(sample.content, to, ann, UNREAD))
        except UnwritableError as error:
            yield Preview(sample, None, str(error))
