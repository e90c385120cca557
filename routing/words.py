"""Owns how templates of the catalogue are filled with what an event holds, in a person's language."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from routing.text import Headline, plain
from routing.texts import Texts
from schemas.events.base import Event

# Kinds of milestones that have words; of others the platform's own name is shown.
MILESTONES: Final = (
    "followers",
    "subscribers",
    "members",
    "posts",
    "views",
    "likes",
    "comments",
    "shares",
    "tips",
    "sales",
    "days",
)


def fill(
    template: str, event: Event, texts: Texts, *, limit: int, who: str = "", tz: str | None = None
) -> str | None:
    """The template with its braces filled: `{who}`, members of the event and what _DERIVED makes of them.

    The template is translated already. None where the event lacks what it speaks of.
    """
    try:
        return plain(template.format_map(_Words(event, texts, who, limit, tz)), limit) or None
    except _UnsaidError:
        return None


def retitled(headline: Headline, names: Sequence[str], count: int) -> str:
    """`names` of those who are known, the latest first; `count` as the notification has it."""
    texts = Texts.of(headline.locale)
    who = texts.names(names, count if headline.counts == "actors" else None)
    pattern = texts.pattern_of(headline.one, headline.many or headline.one, count)
    return pattern.format(who=who, count=texts.number(count))


class _UnsaidError(LookupError):
    """The event lacks what the words speak of."""


class _Words:
    """What may stand in braces."""

    def __init__(self, event: Event, texts: Texts, who: str, limit: int, tz: str | None) -> None:
        self._event = event
        self._texts = texts
        self._who = who
        self._limit = limit
        self._tz = tz

    def __getitem__(self, name: str) -> str:
        said = self._who if name == "who" else self._said(name)
        if not said:
            raise _UnsaidError
        return said

    def _said(self, name: str) -> str:
        derived = _DERIVED.get(name)
        value = derived(self._event, self._texts, self._tz) if derived else getattr(self._event, name)
        return "" if value is None else plain(value, self._limit)


def _reached(event: Any, texts: Texts, _: str | None) -> str:
    kind = event.kind.replace("_", " ")
    return texts.say(kind) if kind in MILESTONES else kind


def _closing(event: Any, texts: Texts, tz: str | None) -> str | None:
    return None if event.closes_at is None else texts.moment(event.closes_at, tz)


# Each is asked only of events that have what it needs.
_DERIVED: Final[Mapping[str, Callable[[Any, Texts, str | None], str | None]]] = {
    "hours": lambda event, texts, _: texts.hours(event.amount),
    "price": lambda event, texts, _: texts.money(event.amount_cents, event.currency),
    "number": lambda event, texts, _: texts.number(event.value),
    "what": _reached,
    "closing": _closing,
}
