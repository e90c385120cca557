"""What is said in the languages of people: every sentence in each of them, and numbers in their way."""

from datetime import UTC, datetime
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from routing.texts import CATALOGUES, DEFAULT, LOCALES, Texts, resolve
from tests.routing.sentences import said

EN, DE = Texts.of("en"), Texts.of("de")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OTHERS = [locale for locale in LOCALES if locale != DEFAULT]


def catalogue(locale: str) -> Catalog:
    with (CATALOGUES / locale / "LC_MESSAGES" / "hub.po").open("rb") as file:
        return read_po(file, locale=locale, abort_invalid=True)


def braces(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("locale", OTHERS)
def test_every_sentence_is_translated_and_nothing_else_is(locale: str) -> None:
    translated = {
        (message.id, None) if isinstance(message.id, str) else tuple(message.id)
        for message in catalogue(locale)
        if message.id
    }
    assert said() - translated == set()
    assert translated - said() == set()


@pytest.mark.parametrize("locale", OTHERS)
def test_every_translation_is_whole_and_has_the_braces_of_its_sentence(locale: str) -> None:
    read = catalogue(locale)
    for message in read:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        ids = (message.id,) if isinstance(message.id, str) else message.id
        forms = (message.string,) if isinstance(message.string, str) else message.string or ()
        assert len(forms) == (1 if len(ids) == 1 else read.num_plurals), message.id
        assert all(forms), message.id
        assert braces(forms[0]) == braces(ids[0]), message.id
        for form in forms[1:]:
            assert braces(form) == braces(ids[-1]), message.id


@pytest.mark.parametrize("locale", OTHERS)
def test_the_plurals_of_a_catalogue_are_those_of_its_language(locale: str) -> None:
    header = dict(catalogue(locale).mime_headers)["Plural-Forms"]
    assert header == Catalog(locale=locale).plural_forms


@pytest.mark.parametrize(
    ("wished", "locale"),
    [
        (("de-AT",), "de"),
        (("DE",), "de"),
        (("en-GB",), "en"),
        (("fr", "de-CH"), "de"),
        ((None, "de"), "de"),
        (("en", "de"), "en"),
        (("fr",), "en"),
        (("", None), "en"),
        ((), "en"),
    ],
)
def test_people_are_told_in_a_language_that_there_is(wished: tuple[str | None, ...], locale: str) -> None:
    assert resolve(*wished) == locale


def test_whatever_is_asked_for_there_are_texts() -> None:
    assert (Texts.of(None).locale, Texts.of("xx").locale, Texts.of("de-AT").locale) == ("en", "en", "de")


@pytest.mark.parametrize(
    ("names", "total", "english", "german"),
    [
        (["Ann"], 1, "Ann", "Ann"),
        (["Ann", "Bob"], 2, "Ann and Bob", "Ann und Bob"),
        (["Ann", "Bob", "Cy"], 3, "Ann, Bob and 1 other", "Ann, Bob und 1 weitere Person"),
        (["Ann", "Bob", "Cy"], 14, "Ann, Bob and 12 others", "Ann, Bob und 12 weitere"),
        (["Ann", "Bob"], 1_002, "Ann, Bob and 1,000 others", "Ann, Bob und 1.000 weitere"),
        (["Ann"], 3, "Ann and 2 others", "Ann und 2 weitere"),
        (["Ann"], None, "Ann", "Ann"),
        (["Ann", "Bob"], None, "Ann and Bob", "Ann und Bob"),
        (["Ann", "Bob", "Cy"], None, "Ann, Bob and others", "Ann, Bob und weitere"),
        ([], 1, "Someone", "Jemand"),
        ([], None, "Someone", "Jemand"),
        ([], 7, "7 people", "7 Personen"),
        (["\u202e"], 1, "Someone", "Jemand"),
        (["{n}"], 3, "{n} and 2 others", "{n} und 2 weitere"),
    ],
)
def test_people_are_named_two_at_most_and_the_rest_counted(
    names: list[str], total: int | None, english: str, german: str
) -> None:
    assert (EN.names(names, total), DE.names(names, total)) == (english, german)


def test_amounts_are_hundredths_written_as_the_language_does() -> None:
    assert (EN.hours(500), DE.hours(500)) == ("5.00 HRS", "5,00 HRS")
    assert (EN.hours(123_456_789), DE.hours(123_456_789)) == ("1,234,567.89 HRS", "1.234.567,89 HRS")
    assert (EN.money(5, "EUR"), DE.money(5, "EUR")) == ("0.05 EUR", "0,05 EUR")
    assert (EN.money(-120_000, "JPY"), DE.number(1_000)) == ("-1,200.00 JPY", "1.000")


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_digit_of_an_amount_is_lost(amount: int) -> None:
    for texts, point in ((EN, "."), (DE, ",")):
        written = texts.hours(amount).removesuffix(" HRS")
        assert written[-3] == point
        assert int(written.replace(".", "").replace(",", "")) == amount


@pytest.mark.parametrize(
    ("tz", "english", "german"),
    [
        (None, "21 November 2026, 12:00 UTC", "21. November 2026, 12:00 UTC"),
        ("Europe/Berlin", "21 November 2026, 13:00 CET", "21. November 2026, 13:00 MEZ"),
        ("America/New_York", "21 November 2026, 07:00 EST", "21. November 2026, 07:00 EST"),
        ("America/Sao_Paulo", "21 November 2026, 09:00 UTC-3", "21. November 2026, 09:00 UTC-3"),
        ("Asia/Kathmandu", "21 November 2026, 17:45 UTC+5:45", "21. November 2026, 17:45 UTC+5:45"),
        ("Nowhere/Land", "21 November 2026, 12:00 UTC", "21. November 2026, 12:00 UTC"),
    ],
)
def test_moments_are_told_in_the_zone_of_a_person(tz: str | None, english: str, german: str) -> None:
    assert (EN.moment(NOON, tz), DE.moment(NOON, tz)) == (english, german)


def test_dates_and_times_and_lists_read_as_they_are_said() -> None:
    night = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert (EN.date(night, "Europe/Berlin"), DE.date(night, "Europe/Berlin")) == (
        "2 July 2026",
        "2. Juli 2026",
    )
    assert DE.time(night, "Europe/Berlin") == "00:30"
    assert (EN.list(["a", "b", "c"]), DE.list(["a", "b", "c"]), EN.list([])) == (
        "a, b and c",
        "a, b und c",
        "",
    )


@given(st.text())
def test_what_people_write_is_a_value_and_never_a_part_of_a_sentence(text: str) -> None:
    made = DE.say("{one} and {other}", one=text, other="{one}{0}{__class__}")
    assert made.endswith(" und {one}{0}{__class__}")
    assert "\n" not in made


def test_counted_sentences_have_the_form_that_goes_with_the_number() -> None:
    assert [EN.many("{n} person", "{n} people", n) for n in (0, 1, 2)] == ["0 people", "1 person", "2 people"]
    assert [DE.many("{n} person", "{n} people", n) for n in (0, 1)] == ["0 Personen", "1 Person"]


@pytest.mark.parametrize("tz", ["Asia/Tokyo", "Pacific/Kiritimati", "America/New_York", None])
def test_a_moment_at_the_end_of_time_is_said_in_utc_where_a_zone_is_beyond_it(tz: str | None) -> None:
    said = EN.moment(datetime(9999, 12, 31, 23, 59, tzinfo=UTC), tz)
    assert said.endswith("UTC" if tz != "America/New_York" else "EST")
    assert "31 December 9999" in said
