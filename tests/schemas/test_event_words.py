"""The words for values that do not fit."""

from schemas.events.members import PATTERN_WORDS
from schemas.profile import PROFILE_WORDS


def test_no_pattern_has_two_meanings() -> None:
    assert not PATTERN_WORDS.keys() & PROFILE_WORDS.keys()
