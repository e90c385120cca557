"""Owns the limits of what strangers wrote, and how it becomes plain text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from unicodedata import category

from schemas.ids import ERASED

MAX_NAME: Final = 60
MAX_TITLE: Final = 200
MAX_TEXT: Final = 1_000

# Halves of pairs, what has no sign, and marks that turn the direction of the text around them. What joins
# emoji (Cf too) stays.
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWN: Final = frozenset({"Cc", "Cs", "Cn", "Co"})
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A title that `routing.words.retitled` can tell anew as more people do the same."""

    one: str
    """With `{who}`."""
    many: str | None = None
    """For several events, where the title counts them: with `{who}` and `{count}`."""
    counts: Literal["actors", "events"] = "actors"
    """What the number of a notification that grew counts: different people, or events."""
    locale: str = "en"


def called(user: str, names: Mapping[str, str]) -> str:
    """The name to show of a user: the id where there is none, and nothing of somebody who was erased."""
    return names.get(user) or ("" if user.startswith(ERASED) else user)


def plain(text: str, limit: int) -> str:
    """One line without anything invisible, cut between words where that is near."""
    spaced = _SPACE.sub(" ", text[: 4 * limit])  # enough, however much of it is space or unshown
    shown = spaced if spaced.isascii() and spaced.isprintable() else _shown(spaced)
    shown = shown.strip()
    if len(shown) <= limit:
        return shown
    cut = shown[: limit - 1]
    space = cut.rfind(" ")
    return (cut[:space] if space > limit * 3 // 4 else cut).rstrip() + "…"


def _shown(text: str) -> str:
    return "".join(char for char in text if category(char) not in _UNSHOWN and char not in _TURNING)
