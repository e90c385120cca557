"""Owns what writers of all channels share: where a link in what they write may lead."""

import re
from typing import Final
from urllib.parse import urlsplit

from routing.text import plain

MOST_URL: Final = 2_048
# A link stands in headers, attributes and lines of text, and must be the same in all of them.
_UNLINKABLE: Final = re.compile(r"[\s\"'<>\\^`{|}]")
INBOX: Final = "/notifications"
"""Where what has no place of its own is read."""
ALIKE: Final = 256
"""So much of what was written is kept for whoever else is told the same."""


def absolute(public_url: str, url: str | None) -> str:
    """Where a link leads: nowhere but to a web page; to the hub itself where that cannot be."""
    home = public_url.rstrip("/")
    if not url or _UNLINKABLE.search(url) or plain(url, MOST_URL) != url:
        return f"{home}/"
    if url.startswith("/") and not url.startswith("//"):
        return home + url
    return url if _is_web(url) else f"{home}/"


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
