"""Owns how a mail is written for a mail server: headers and both bodies, in nothing but ASCII."""

from datetime import datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr, parseaddr
from typing import Final

from routing.channels.base import Rendered

# The newer policy folds a link that is longer than a line into an encoded word, and no link is left; this one
# would leave the first line empty. Lines may have 998 characters.
POLICY: Final = compat32.clone(linesep="\r\n", max_line_length=None)


class Letterhead:
    """What all mails of one sender have in common."""

    def __init__(self, sender: str) -> None:
        name, self.address = parseaddr(sender)
        self.domain = self.address.rpartition("@")[2]
        self._from = formataddr((name, self.address))

    def message_id(self, key: str) -> str:
        """The same for each attempt, so that whoever gets a mail twice can tell."""
        return f"<{key}@{self.domain}>"

    def write(self, message: Rendered, to: str, *, key: str, at: datetime) -> bytes:
        text = MIMEText(message.text, "plain", "utf-8")
        mail: MIMEMultipart | MIMEText = text
        if message.html is not None:
            mail = MIMEMultipart("alternative", _subparts=[text, MIMEText(message.html, "html", "utf-8")])
        headers = {
            "From": self._from,
            "To": to,
            "Subject": _words(message.title),
            "Date": format_datetime(at),
            "Message-ID": self.message_id(key),
            "Auto-Submitted": "auto-generated",  # nobody's out-of-office note answers it
            **message.headers,
        }
        for name, value in headers.items():
            mail[name] = value
        return mail.as_bytes(policy=POLICY)


def _words(text: str) -> str:
    """In one line, or in several encoded words of which none is too long."""
    flat = " ".join(text.split())
    return flat if flat.isascii() else Header(flat, "utf-8", header_name="Subject").encode(linesep="\r\n")
