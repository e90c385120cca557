"""How long a text is as SMS, and where it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.segments import GSM, characters, fitted, is_gsm, segments

FAMILY = "👩‍👩‍👧"
GERMANY = "🇩🇪"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("x" * 459, 3),
        ("x" * 460, 4),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ß" * 160, 1),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("x" * 70 + "ж", 2),
    ],
)
def test_segments_are_counted_as_they_are_paid(text: str, count: int) -> None:
    assert segments(text) == count


def test_what_takes_two_places_is_never_parted_by_a_segment() -> None:
    assert segments("x" * 152 + "€" + "x" * 151) == 2
    assert segments("x" * 152 + "€" + "x" * 152) == 3
    assert segments("😀" * 33 + "x" + "😀" * 33) == 2  # 66 places and one; 66 more
    assert segments("😀" * 66) == 2  # the 67th place of the first segment stays empty
    assert segments("😀" * 67) == 3


def test_the_alphabet_is_that_of_gsm() -> None:
    assert len(GSM) == 127
    assert is_gsm("Grüße an {Ärzte} für 5 €")
    assert not is_gsm("ç")
    assert is_gsm("Ç")
    assert not is_gsm("“")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("abc", ["a", "b", "c"]),
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        (f"{GERMANY}{GERMANY}", [GERMANY, GERMANY]),
        ("e\u0301e", ["e\u0301", "e"]),
        ("👍🏽!", ["👍🏽", "!"]),
        ("1️⃣2", ["1️⃣", "2"]),
        ("❤️❤️", ["❤️", "❤️"]),
    ],
)
def test_characters_are_what_a_reader_takes_for_one(text: str, parts: list[str]) -> None:
    assert list(characters(text)) == parts


def test_what_fits_is_left_as_it_is() -> None:
    assert fitted("x" * 440, " https://e.com", 3) == "x" * 440 + " https://e.com"


def test_what_is_too_long_is_cut_before_its_tail() -> None:
    found = fitted("x" * 500, " https://e.com", 3)
    assert found.endswith("x... https://e.com")
    assert segments(found) == 3
    assert len(found) >= 455


def test_no_character_is_cut_in_two() -> None:
    for before in range(12):
        found = fitted("x" * before + FAMILY * 60, "", 3)
        assert found.removesuffix("…").lstrip("x").replace(FAMILY, "") == ""
        assert segments(found) == 3


@given(st.text(max_size=600), st.text(max_size=60), st.integers(1, 3))
def test_whatever_is_written_fits(text: str, tail: str, most: int) -> None:
    tail = tail[: 30 if most == 1 else 60]
    found = fitted(text, tail, most)
    assert found.endswith(tail)
    assert segments(found) <= most
    assert "".join(characters(text)) == text


@given(st.text(alphabet="xß€^ж😀\u200d", max_size=500))
def test_what_fits_is_cut_only_as_far_as_it_must(text: str) -> None:
    found = fitted(text, "", 3)
    if found != text:
        kept = found.removesuffix("…").removesuffix("...")
        assert text.startswith(kept)
