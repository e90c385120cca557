"""Owns what is said in the languages of people: sentences, lists of names, numbers, money and times.

English sentences are the keys of the catalogues in `locales`. What people wrote goes in as a value, never as
a part of a sentence: `say("{who} liked your post", who=name)`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale
from babel.dates import format_datetime
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal

from routing.text import MAX_NAME, MAX_TEXT, plain

DEFAULT: Final = "en"
LOCALES: Final = (DEFAULT, "de")
CATALOGUES: Final = Path(__file__).parent / "locales"

_LONGEST_ZONE: Final = 5
_HUNDREDTHS: Final = "#,##0.00"
_DATES: Final[Mapping[str, str]] = {"en": "d MMMM y", "de": "d. MMMM y"}
_BABEL: Final[Mapping[str, str]] = {"en": "en_GB", "de": "de"}


@lru_cache(maxsize=1024)  # asked for each person of an audience
def resolve(*wished: str | None) -> str:
    """The first of the wished languages (BCP 47) that we speak, else English: de-AT is told in German."""
    for tag in wished:
        if tag and (language := tag.partition("-")[0].lower()) in LOCALES:
            return language
    return DEFAULT


class Texts:
    """One language."""

    def __init__(self, locale: str) -> None:
        self.locale = locale
        self._babel = Locale.parse(_BABEL[locale])
        self._catalogue = _read(locale)

    @staticmethod
    def of(locale: str | None) -> "Texts":
        """The language of a person; whatever they asked for, there is one."""
        return _TEXTS.get(locale or DEFAULT) or _TEXTS[resolve(locale)]

    def say(self, sentence: str, /, **values: str | int) -> str:
        """A sentence with its braces filled; numbers are written as the language does."""
        return self.pattern(sentence).format_map(self._shown(values))

    def many(self, singular: str, plural: str, n: int, /, **values: str | int) -> str:
        """A sentence that speaks of `{n}` things."""
        return self.pattern_of(singular, plural, n).format_map(self._shown({"n": n, **values}))

    def pattern(self, sentence: str) -> str:
        """The sentence with its braces as they are."""
        return self._catalogue.gettext(sentence)

    def pattern_of(self, singular: str, plural: str, n: int) -> str:
        return self._catalogue.ngettext(singular, plural, n)

    def names(self, names: Sequence[str], total: int | None) -> str:
        """Ann; Ann and Bob; Ann, Bob and 12 others. Without a total there may be more than the names."""
        shown = [plain(name, MAX_NAME) or self.say("Someone") for name in names[:2]]
        if not shown:
            many = total is not None and total > 1
            return self.many("{n} person", "{n} people", total or 0) if many else self.say("Someone")
        others = len(names[2:]) if total is None else total - len(shown)
        if others <= 0:
            return (
                shown[0] if len(shown) == 1 else self.say("{one} and {other}", one=shown[0], other=shown[1])
            )
        first = ", ".join(shown)
        if total is None:
            return self.say("{names} and others", names=first)
        return self.many("{names} and {n} other", "{names} and {n} others", others, names=first)

    def list(self, items: Sequence[str]) -> str:
        """One, two and three."""
        return format_list([plain(item, MAX_TEXT) for item in items], locale=self._babel) if items else ""

    def number(self, value: int) -> str:
        return format_decimal(value, locale=self._babel)

    def hours(self, amount: int) -> str:
        """500 is 5.00 HRS."""
        return f"{format_decimal(_hundredths(amount), _HUNDREDTHS, locale=self._babel)} HRS"

    def money(self, cents: int, currency: str) -> str:
        """With the code of the currency: many of them share a sign."""
        return format_currency(
            _hundredths(cents), currency, f"{_HUNDREDTHS} ¤¤", locale=self._babel, currency_digits=False
        )

    def date(self, moment: datetime, tz: str | None = None) -> str:
        return self._dated(moment, tz, _DATES[self.locale])

    def time(self, moment: datetime, tz: str | None = None) -> str:
        return self._dated(moment, tz, "HH:mm")

    def moment(self, moment: datetime, tz: str | None = None) -> str:
        """Date, time and the name of the zone, which is UTC where none is known."""
        local = _local(moment, tz)
        return f"{self._dated(moment, tz, f'{_DATES[self.locale]}, HH:mm')} {self._zone_name(local)}"

    def _dated(self, moment: datetime, tz: str | None, pattern: str) -> str:
        local = _local(moment, tz)
        return format_datetime(local, pattern, tzinfo=local.tzinfo, locale=self._babel)

    def _zone_name(self, local: datetime) -> str:
        """MEZ or EST; UTC+5:30 where there is no short name."""
        named = (format_datetime(local, "z", tzinfo=local.tzinfo, locale=self._babel), local.tzname() or "")
        short = next((name for name in named if name.isalpha() and len(name) <= _LONGEST_ZONE), None)
        return short or _offset(local)

    def _shown(self, values: Mapping[str, str | int]) -> dict[str, str]:
        return {
            name: plain(value, MAX_TEXT) if isinstance(value, str) else self.number(value)
            for name, value in values.items()
        }


def _read(locale: str) -> NullTranslations:
    if locale == DEFAULT:
        return NullTranslations()
    with (CATALOGUES / locale / "LC_MESSAGES" / "hub.po").open("rb") as file:
        catalogue = read_po(file, locale=locale, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):  # of a profile that an older zone database allowed
        return ZoneInfo("UTC")


def _local(moment: datetime, tz: str | None) -> datetime:
    """As the clocks of the zone show it; in UTC at the ends of time, where another zone is beyond them."""
    try:
        return moment.astimezone(_zone(tz))
    except OverflowError:
        return moment.astimezone(_zone(None))


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds() // 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours}" + (f":{rest:02}" if rest else "")


def _hundredths(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)


# Read when the process starts: a catalogue that cannot be read is known before anybody waits for it.
_TEXTS: Final = {locale: Texts(locale) for locale in LOCALES}
