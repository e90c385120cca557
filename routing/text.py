"""Owns how a notification reads: names, amounts, lists of people, and the limits of what strangers wrote."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from unicodedata import category

from schemas.events.base import Event

MAX_NAME: Final = 60
MAX_TITLE: Final = 200
MAX_TEXT: Final = 1_000

SOMEONE: Final = "Someone"

# Halves of pairs, what has no sign, and marks that turn the direction of the text around them. What joins
# emoji (Cf too) stays.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWN: Final = frozenset({"Cc", "Cs", "Cn", "Co"})
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A title that can be told anew as more people do the same."""

    one: str
    """With `{who}`."""
    many: str | None = None
    """For several events, where the title counts them: with `{who}` and `{count}`."""
    counts: Literal["actors", "events"] = "actors"
    """What the number of a notification that grew counts: different people, or events."""

    def title(self, names: Sequence[str], count: int) -> str:
        """`names` of those who are known, the latest first; `count` as the notification has it."""
        who = crowd(names, count if self.counts == "actors" else None)
        template = self.many if self.many is not None and count > 1 else self.one
        return template.format(who=who, count=f"{count:,}")


def crowd(names: Sequence[str], total: int | None) -> str:
    """Ann; Ann and Bob; Ann, Bob and 12 others. Without a total there may be more than the names."""
    shown = [plain(name, MAX_NAME) or SOMEONE for name in names[:2]]
    if not shown:
        return SOMEONE if total is None or total < 2 else f"{total:,} people"
    others = len(names[2:]) if total is None else total - len(shown)
    if others <= 0:
        return " and ".join(shown)
    if total is None:
        return f"{', '.join(shown)} and others"
    return f"{', '.join(shown)} and {others:,} {'other' if others == 1 else 'others'}"


def hours(amount: int) -> str:
    """500 is 5.00 HRS."""
    return f"{_hundredths(amount)} HRS"


def money(cents: int, currency: str) -> str:
    return f"{_hundredths(cents)} {currency}"


def plain(text: str, limit: int) -> str:
    """One line without anything invisible, cut between words where that is near."""
    spaced = _SPACE.sub(" ", text[: 4 * limit])  # enough, however much of it is space or unshown
    shown = "".join(
        char for char in spaced if category(char) not in _UNSHOWN and char not in _TURNING
    ).strip()
    if len(shown) <= limit:
        return shown
    cut = shown[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit * 3 // 4 else cut).rstrip() + "…"


def fill(template: str, event: Event, *, limit: int, who: str = "") -> str | None:
    """The template with its braces filled: `{who}`, members of the event and what _DERIVED makes of them.

    None where the event lacks what the template speaks of.
    """
    try:
        return plain(template.format_map(_Words(event, who, limit)), limit) or None
    except _UnsaidError:
        return None


class _UnsaidError(LookupError):
    """The event lacks what the words speak of."""


class _Words:
    """What may stand in braces."""

    def __init__(self, event: Event, who: str, limit: int) -> None:
        self._event = event
        self._who = who
        self._limit = limit

    def __getitem__(self, name: str) -> str:
        said = self._who if name == "who" else self._said(name)
        if not said:
            raise _UnsaidError
        return said

    def _said(self, name: str) -> str:
        derived = _DERIVED.get(name)
        value = getattr(self._event, name) if derived is None else derived(self._event)
        return "" if value is None else plain(value, self._limit)


def _date(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%d %B %Y, %H:%M} UTC"


def _hundredths(amount: int) -> str:
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 100)
    return f"{sign}{whole:,}.{part:02}"


# Each is asked only of events that have what it needs.
_DERIVED: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "a_kind": lambda event: f"{'an' if event.kind == 'article' else 'a'} {event.kind}",
    "hours": lambda event: hours(event.amount),
    "price": lambda event: money(event.amount_cents, event.currency),
    "number": lambda event: f"{event.value:,}",
    "what": lambda event: event.kind.replace("_", " "),
    "closing": lambda event: _date(event.closes_at),
}
