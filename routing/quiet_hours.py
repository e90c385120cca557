"""Owns quiet hours: when a person must not be disturbed and until when, in their zone, right across DST."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from routing.members import DAYS, Day, Part, TimeOfDay, at_most, each_once
from routing.wall_clock import first, last, zone_named
from schemas.profile import Zone

Quietable = Literal["push", "sms", "email", "telegram"]

MAX_WINDOWS: Final = 20
LONGEST: Final = timedelta(days=8)  # windows may cover the whole week: then it is decided anew after this

_DAY: Final = timedelta(days=1)


def _not_empty(days: tuple[Day, ...]) -> tuple[Day, ...]:
    if not days:
        raise PydanticCustomError("no_days", "must name at least one day (leave it out for every day)")
    return days


Days = Annotated[
    tuple[Day, ...],
    Field(strict=False, max_length=7),
    at_most(100),
    AfterValidator(each_once),
    AfterValidator(_not_empty),
]


class Window(Part):
    """A time of each of some days; one that ends no later than it begins ends on the next day."""

    days: Days = Field(DAYS, description="the days it begins on")
    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")


class QuietHours(Part):
    """When what would disturb a person waits."""

    enabled: bool = False
    tz: Zone | None = Field(None, description="IANA time zone; left out, that of the profile, else UTC")
    windows: Annotated[
        tuple[Window, ...], Field(strict=False, max_length=MAX_WINDOWS), at_most(MAX_WINDOWS)
    ] = ()
    channels: Annotated[
        tuple[Quietable, ...], Field(strict=False, max_length=4), at_most(100), AfterValidator(each_once)
    ] = Field(("push", "sms", "telegram", "email"), description="the channels that wait")
    allow_immediate: bool = Field(False, description="whether what is urgent comes through")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """What there is to say of now: "now 23:10 in Berlin: push waits until 07:00"."""

    now: str
    place: str
    waiting: tuple[Quietable, ...]
    """Empty when nothing waits."""
    until: str | None = None
    until_day: Day | None = None
    """Said where the time of day alone would be misread."""


def held_until(quiet: QuietHours, tz: str | None, now: datetime) -> datetime | None:
    """The end of the quiet there is now, in UTC, through all windows that follow without a break.

    A window begins when its zone's clock first shows `from` or later, and ends when the clock shows an
    earlier time than `to` for the last time. So a time that the clock skips means the moment of the
    skip, and the hour that comes twice is quiet both times.
    """
    if not (quiet.enabled and quiet.windows):
        return None
    zone = zone_named(quiet.tz or tz)
    now = now.astimezone(UTC)
    until, longest = now, now + LONGEST
    while until < longest and (end := _end(quiet.windows, zone, until)) is not None:
        until = end
    return None if until == now else min(until, longest)


def sentence(quiet: QuietHours, tz: str | None, now: datetime) -> Sentence:
    name = quiet.tz or tz
    zone = zone_named(name)
    place = (name or "UTC").rpartition("/")[2].replace("_", " ")
    shown = f"{now.astimezone(zone):%H:%M}"
    until = held_until(quiet, tz, now)
    if until is None:
        return Sentence(now=shown, place=place, waiting=())
    end = until.astimezone(zone)
    return Sentence(
        now=shown,
        place=place,
        waiting=quiet.channels,
        until=f"{end:%H:%M}",
        until_day=DAYS[end.weekday()] if until - now >= _DAY else None,
    )


def _end(windows: Sequence[Window], zone: tzinfo, moment: datetime) -> datetime | None:
    """When the longest of the windows around this moment ends."""
    shown = moment.astimezone(zone).date()
    ends = []
    # Tomorrow too: a clock put back across midnight shows the day before once more.
    for day in (shown - _DAY, shown, shown + _DAY):
        for window in windows:
            if DAYS[day.weekday()] in window.days:
                opens, closes = _span(window.start, window.end, day, zone)
                if opens <= moment < closes:
                    ends.append(closes)
    return max(ends, default=None)


@lru_cache(maxsize=10_000)  # many people of one audience sleep at the same hours
def _span(start: str, end: str, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    last_day = day if end > start else day + _DAY
    opens = datetime.combine(day, time.fromisoformat(start))
    closes = datetime.combine(last_day, time.fromisoformat(end))
    return first(opens, zone), last(closes, zone)
