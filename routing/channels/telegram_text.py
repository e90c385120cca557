"""Owns a message of Telegram in parts: what is bold, what leads somewhere; no markup anybody could inject."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from routing.channels.base import Rendered

MOST_UNITS: Final = 4_096
"""Of UTF-16, in one message: as Telegram counts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text as it looks; whatever stands in it is shown as it is."""

    text: str
    bold: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramText(Rendered):
    """A message whose `text` is that of its parts, one after the other."""

    parts: tuple[Part, ...]


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def length(parts: Iterable[Part]) -> int:
    return sum(units(part.text) for part in parts)


def cut(text: str, most: int) -> str:
    """At most so many units, no sign halved."""
    if units(text) <= most:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (most - 1)]
    return kept.decode("utf-16-le", "ignore").rstrip() + "…"


def parts_of(message: Rendered) -> tuple[Part, ...]:
    """The parts of any message: what was not written for Telegram is shown in the plainest way."""
    if isinstance(message, TelegramText):
        return message.parts
    rest = f"\n{message.text}" if message.text else ""
    return tuple(
        part for part in (Part(cut(message.title, 256), bold=True), Part(cut(rest, 3_800))) if part.text
    )
