"""How notifications read: lists of people, amounts, and strangers' words made plain."""

from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.text import Headline, crowd, hours, money, plain


@pytest.mark.parametrize(
    ("names", "total", "said"),
    [
        (["Ann"], 1, "Ann"),
        (["Ann", "Bob"], 2, "Ann and Bob"),
        (["Ann", "Bob", "Cy"], 3, "Ann, Bob and 1 other"),
        (["Ann", "Bob", "Cy"], 14, "Ann, Bob and 12 others"),
        (["Ann", "Bob"], 1_002, "Ann, Bob and 1,000 others"),
        (["Ann"], 3, "Ann and 2 others"),
        (["Ann"], None, "Ann"),
        (["Ann", "Bob"], None, "Ann and Bob"),
        (["Ann", "Bob", "Cy"], None, "Ann, Bob and others"),
        ([], 1, "Someone"),
        ([], None, "Someone"),
        ([], 7, "7 people"),
        (["\u202e"], 1, "Someone"),
    ],
)
def test_people_are_named_two_at_most_and_the_rest_counted(
    names: list[str], total: int | None, said: str
) -> None:
    assert crowd(names, total) == said


def test_a_headline_grows_with_people_or_with_events() -> None:
    likes = Headline(one="{who} liked your post")
    assert likes.title(["Ann", "Bob", "Cy"], 14) == "Ann, Bob and 12 others liked your post"
    messages = Headline(
        one="{who} sent you a message", many="{who} sent you {count} messages", counts="events"
    )
    assert messages.title(["Ann"], 1) == "Ann sent you a message"
    assert messages.title(["Ann"], 1_200) == "Ann sent you 1,200 messages"
    assert messages.title(["Ann", "Bob", "Cy"], 5) == "Ann, Bob and others sent you 5 messages"


def test_a_name_with_braces_is_only_a_name() -> None:
    assert Headline(one="{who} liked your post").title(["{count}"], 1) == "{count} liked your post"


def test_amounts_are_hundredths() -> None:
    assert hours(500) == "5.00 HRS"
    assert hours(123_456_789) == "1,234,567.89 HRS"
    assert money(5, "EUR") == "0.05 EUR"
    assert money(0, "USD") == "0.00 USD"


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
