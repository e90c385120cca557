"""Strangers' words made plain."""

from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from routing.text import plain


def test_strangers_words_become_one_plain_line() -> None:
    assert plain("  a\n\tb\x07 \u202ec\u2066 ", 100) == "a b c"
    assert plain("👩\u200d🚀 zoë", 100) == "👩\u200d🚀 zoë"


def test_long_words_are_cut_between_words_where_one_is_near() -> None:
    assert plain("one two three four", 16) == "one two three…"
    assert plain("x" * 20, 10) == "x" * 9 + "…"


@given(st.text(), st.integers(1, 40))
def test_plain_text_is_short_and_shows_all_that_is_in_it(text: str, limit: int) -> None:
    made = plain(text, limit)
    assert len(made) <= limit
    assert made == made.strip()
    assert not any(category(char) in ("Cc", "Cs") for char in made)
    assert plain(made, limit) == made
