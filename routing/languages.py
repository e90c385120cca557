"""Owns how a group of people is told of one thing, each in their language."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from routing.model import Notification, Recipient
from routing.telling import Telling


def told_apart(say: Callable[[str], Notification], recipients: Iterable[Recipient]) -> list[Telling]:
    """A telling for each language among the recipients; `say` tells in one of them."""
    speaking: dict[str, list[Recipient]] = defaultdict(list)
    for to in recipients:
        speaking[to.locale].append(to)
    return [Telling(say(locale), theirs) for locale, theirs in speaking.items()]
