"""Owns the plain words for a value that does not fit its type, and for its place, wherever it was sent."""

from collections.abc import Iterable
from typing import Final

from pydantic_core import ErrorDetails

from schemas.events.members import PATTERN_WORDS
from schemas.profile import PROFILE_WORDS

_PATTERNS: Final = PATTERN_WORDS | PROFILE_WORDS
_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_too_short": "must not be empty",
    "string_unicode": "must be valid Unicode (it contains half of a surrogate pair)",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
}

_COUNTS: Final = {"too_short": ("at least", "min_length"), "too_long": ("at most", "max_length")}


def in_words(error: ErrorDetails) -> str:
    """What is wrong, to follow the name of what it is wrong with."""
    if error["type"] == "string_pattern_mismatch":
        return _PATTERNS[error["ctx"]["pattern"]]
    if error["type"] in _WORDS:
        return _WORDS[error["type"]]
    if error["type"] in _COUNTS:
        how, bound = _COUNTS[error["type"]]
        count = error["ctx"][bound]
        return f"must have {how} {count} item{'' if count == 1 else 's'}"
    message = error["msg"].removeprefix("Value error, ")
    return message.replace("Input should", "must", 1).replace("String should", "must", 1)


def path_of(location: Iterable[int | str], prefix: str = "") -> str:
    """Where in what was sent: `data.mentions[1]`, `quiet_hours.windows[0].from`."""
    path = prefix
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{printable(part)}" if path else printable(part)
    return path


def printable(name: str) -> str:
    """A stranger's member name, fit for an answer: short, and nothing JSON or PostgreSQL cannot hold."""
    short = name[:100]
    return short if short.isprintable() else ascii(short)[1:-1]
