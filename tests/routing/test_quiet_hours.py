"""Quiet hours: against a minute-by-minute reading of the clock, around the changes of many zones."""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import accumulate, product
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from routing.members import DAYS
from routing.quiet_hours import LONGEST, QuietHours, held_until, sentence

# Days on which the clock of a zone changes: by an hour, by half of one, at midnight, by a whole day.
CHANGES: Final = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("America/St_Johns", date(2006, 4, 2)),  # at one minute past midnight
    ("America/St_Johns", date(2006, 10, 29)),  # and back across midnight
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("America/Santiago", date(2026, 4, 5)),
    ("America/Santiago", date(2026, 9, 6)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Africa/Casablanca", date(2026, 3, 22)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Beirut", date(2026, 3, 29)),
    ("Pacific/Apia", date(2011, 12, 30)),  # the day that never was
    ("Pacific/Kwajalein", date(1993, 8, 21)),
    ("Asia/Kathmandu", date(1986, 1, 1)),
    ("Antarctica/Troll", date(2026, 10, 25)),  # by two hours
]
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
EVERY_NIGHT: Final = [{"from": "22:00", "to": "07:00"}]


def quiet(windows: list[dict[str, Any]], **others: Any) -> QuietHours:
    return QuietHours.model_validate({"enabled": True, "windows": windows, **others})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@cache
def clock(zone: str, around: date) -> tuple[list[datetime], list[datetime], list[datetime]]:
    """Minutes of some weeks; the latest the clock showed until then; the earliest it shows from then on."""
    start = datetime(around.year, around.month, around.day, tzinfo=UTC) - 5 * DAY
    minutes = [start + n * MINUTE for n in range(20 * 24 * 60)]
    shown = [minute.astimezone(ZoneInfo(zone)).replace(tzinfo=None) for minute in minutes]
    return minutes, list(accumulate(shown, max)), list(accumulate(reversed(shown), min))[::-1]


def oracle(windows: list[dict[str, Any]], zone: str, around: date, now: datetime) -> datetime | None:
    """The first minute from now on that lies in no window.

    A window lasts from when the clock first shows `from` or later until it last shows less than `to`.
    """
    minutes, latest, earliest = clock(zone, around)
    is_quiet = bytearray(len(minutes))
    for window, day in product(windows, [around + n * DAY for n in range(-4, 13)]):
        if DAYS[day.weekday()] in window.get("days", DAYS):
            last_day = day if window["to"] > window["from"] else day + DAY
            opens = bisect_left(latest, datetime.fromisoformat(f"{day} {window['from']}"))
            closes = bisect_left(earliest, datetime.fromisoformat(f"{last_day} {window['to']}"))
            is_quiet[opens:closes] = b"\1" * max(0, closes - opens)
    begin = bisect_left(minutes, now)
    end = is_quiet.find(b"\0", begin)
    return None if end == begin else min(minutes[end], now + LONGEST)


def times_of_day() -> st.SearchStrategy[str]:
    near = st.sampled_from(
        [f"{hour:02}:{minute}" for hour in (0, 1, 2, 3, 22, 23) for minute in ("00", "01", "15", "30", "59")]
    )
    return near | st.times().map(lambda time: f"{time:%H:%M}")


def windows_of() -> st.SearchStrategy[list[dict[str, Any]]]:
    days = st.lists(st.sampled_from(DAYS), min_size=1, unique=True)
    window = st.fixed_dictionaries({"from": times_of_day(), "to": times_of_day()}, optional={"days": days})
    return st.lists(window, min_size=1, max_size=4)


def minutes_near(around: date) -> st.SearchStrategy[datetime]:
    midnight = datetime(around.year, around.month, around.day, tzinfo=UTC)
    near = st.integers(-26 * 60, 38 * 60) | st.integers(-2 * 24 * 60, 3 * 24 * 60)
    return near.map(lambda n: midnight + n * MINUTE)


@pytest.mark.parametrize(("zone", "around"), CHANGES, ids=str)
@settings(deadline=None, max_examples=40)
@given(st.data(), windows_of())
def test_a_hold_ends_where_a_look_at_the_clock_each_minute_ends_it(
    zone: str, around: date, data: st.DataObject, windows: list[dict[str, Any]]
) -> None:
    now = data.draw(minutes_near(around))
    assert held_until(quiet(windows), zone, now) == oracle(windows, zone, around, now)


@pytest.mark.parametrize(("zone", "around"), CHANGES, ids=str)
@settings(deadline=None, max_examples=40)
@given(st.data(), windows_of(), st.timedeltas(timedelta(0), timedelta(seconds=59.999999)))
def test_a_hold_ends_in_the_future_and_outside_all_windows(
    zone: str, around: date, data: st.DataObject, windows: list[dict[str, Any]], beside: timedelta
) -> None:
    now = data.draw(minutes_near(around)) + beside
    hours = quiet(windows)
    until = held_until(hours, zone, now)
    if until is not None:
        assert now < until <= now + LONGEST
        assert until.tzinfo is UTC
        assert until == now + LONGEST or held_until(hours, zone, until) is None


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-06-01T21:59:59+02:00", None),
        ("2026-06-01T22:00:00+02:00", "2026-06-02T07:00:00+02:00"),
        ("2026-06-02T06:59:59.999999+02:00", "2026-06-02T07:00:00+02:00"),
        ("2026-06-02T07:00:00+02:00", None),
        ("2026-03-28T23:00:00+01:00", "2026-03-29T07:00:00+02:00"),  # an hour less
        ("2026-10-24T23:00:00+02:00", "2026-10-25T07:00:00+01:00"),  # an hour more
    ],
)
def test_a_night_in_berlin_ends_at_seven_by_its_clock(now: str, until: str | None) -> None:
    assert held_until(quiet(EVERY_NIGHT), "Europe/Berlin", at(now)) == (until and at(until))


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        # the hour from 01:00 comes twice: quiet both times
        (("22:00", "01:30"), "2026-11-01T05:10:00Z", "2026-11-01T06:30:00Z"),
        (("22:00", "01:30"), "2026-11-01T06:10:00Z", "2026-11-01T06:30:00Z"),
        (("01:30", "05:00"), "2026-11-01T06:10:00Z", "2026-11-01T10:00:00Z"),
        # the clock goes back to exactly the end: it was over before
        (("22:00", "01:00"), "2026-11-01T04:10:00Z", "2026-11-01T05:00:00Z"),
        (("22:00", "01:00"), "2026-11-01T06:00:00Z", None),
        # 02:00 to 03:00 is skipped
        (("22:00", "02:30"), "2026-03-08T06:10:00Z", "2026-03-08T07:00:00Z"),
        (("02:30", "05:00"), "2026-03-08T07:00:00Z", "2026-03-08T09:00:00Z"),
        (("02:10", "02:50"), "2026-03-08T07:00:00Z", None),
    ],
)
def test_in_new_york_a_time_that_is_skipped_or_comes_twice_is_read_with_sense(
    window: tuple[str, str], now: str, until: str | None
) -> None:
    hours = quiet([{"from": window[0], "to": window[1]}])
    assert held_until(hours, "America/New_York", at(now)) == (until and at(until))


def test_a_window_from_midnight_goes_on_when_the_clock_is_put_back_across_it() -> None:
    # At 00:01 of the 29th it became 23:01 of the 28th.
    hours = quiet([{"days": ["sun"], "from": "00:00", "to": "06:00"}], tz="America/St_Johns")
    assert held_until(hours, None, at("2006-10-29T02:29:00Z")) is None
    assert held_until(hours, None, at("2006-10-29T02:30:00Z")) == at("2006-10-29T09:30:00Z")
    assert held_until(hours, None, at("2006-10-29T02:40:00Z")) == at("2006-10-29T09:30:00Z")


def test_days_are_those_on_which_a_window_begins() -> None:
    friday_night = quiet([{"days": ["fri"], "from": "22:00", "to": "07:00"}], tz="UTC")
    assert held_until(friday_night, None, at("2026-06-05T06:00:00Z")) is None
    assert held_until(friday_night, None, at("2026-06-05T23:00:00Z")) == at("2026-06-06T07:00:00Z")
    assert held_until(friday_night, None, at("2026-06-06T06:00:00Z")) == at("2026-06-06T07:00:00Z")
    assert held_until(friday_night, None, at("2026-06-06T23:00:00Z")) is None


def test_windows_that_touch_or_overlap_are_one_hold() -> None:
    hours = quiet(
        [{"from": "22:00", "to": "01:00"}, {"from": "01:00", "to": "05:00"}, {"from": "04:00", "to": "08:00"}]
    )
    assert held_until(hours, "UTC", at("2026-06-01T22:00:00Z")) == at("2026-06-02T08:00:00Z")


def test_a_window_that_ends_as_it_begins_is_a_whole_day() -> None:
    monday = quiet([{"days": ["mon"], "from": "09:00", "to": "09:00"}])
    assert held_until(monday, "UTC", at("2026-06-01T09:00:00Z")) == at("2026-06-02T09:00:00Z")


def test_quiet_without_end_is_decided_anew_after_eight_days() -> None:
    now = at("2026-06-01T12:34:56Z")
    assert held_until(quiet([{"from": "00:00", "to": "00:00"}]), "UTC", now) == now + timedelta(days=8)


def test_the_zone_of_the_quiet_hours_wins_over_that_of_the_profile_and_utc_comes_last() -> None:
    now = at("2026-06-01T21:00:00Z")  # 23:00 in Berlin, 17:00 in New York
    assert held_until(quiet(EVERY_NIGHT, tz="Europe/Berlin"), "America/New_York", now) is not None
    assert held_until(quiet(EVERY_NIGHT), "America/New_York", now) is None
    assert held_until(quiet(EVERY_NIGHT), "Europe/Berlin", now) is not None
    assert held_until(quiet(EVERY_NIGHT), None, now) is None
    assert held_until(quiet(EVERY_NIGHT), "Never/Heard_Of", now) is None


def test_quiet_hours_that_are_off_hold_nothing() -> None:
    now = at("2026-06-01T23:00:00Z")
    assert held_until(quiet(EVERY_NIGHT, enabled=False), "UTC", now) is None
    assert held_until(quiet([]), "UTC", now) is None


def test_a_sentence_tells_of_now_the_place_and_the_end() -> None:
    told = sentence(quiet(EVERY_NIGHT, channels=["push"]), "Europe/Berlin", at("2026-06-01T21:10:00Z"))
    assert (told.now, told.place, told.waiting, told.until) == ("23:10", "Berlin", ("push",), "07:00")
    assert told.until_day is None


def test_a_sentence_says_the_day_where_the_end_is_further_than_a_day() -> None:
    weekend = quiet(
        [{"days": ["sat"], "from": "00:00", "to": "00:00"}, {"days": ["sun"], "from": "00:00", "to": "20:00"}]
    )
    told = sentence(weekend, "America/New_York", at("2026-06-06T06:10:00Z"))
    assert (told.now, told.place, told.until, told.until_day) == ("02:10", "New York", "20:00", "sun")


def test_a_sentence_by_day_says_that_nothing_waits() -> None:
    told = sentence(quiet(EVERY_NIGHT), None, at("2026-06-01T12:00:00Z"))
    assert (told.now, told.place, told.waiting, told.until) == ("12:00", "UTC", (), None)


@pytest.mark.parametrize(
    ("wrong", "where", "message"),
    [
        ({"from": "24:00", "to": "07:00"}, ("from",), "must be a time of day from 00:00 to 23:59"),
        ({"from": "9:00", "to": "07:00"}, ("from",), "must be a time of day"),
        ({"from": "٢٢:00", "to": "07:00"}, ("from",), "must be a time of day"),
        ({"from": "22:00"}, ("to",), "Field required"),
        ({"from": "22:00", "to": "07:00", "days": []}, ("days",), "must name at least one day"),
        ({"from": "22:00", "to": "07:00", "days": ["mon", "mon"]}, ("days",), "must not name anything twice"),
        ({"from": "22:00", "to": "07:00", "days": ["monday"]}, ("days", 0), "Input should be 'mon'"),
        ({"from": "22:00", "to": "07:00", "start": "22:00"}, ("start",), "Extra inputs"),
    ],
)
def test_a_wrong_window_is_refused_where_it_is_wrong(
    wrong: dict[str, Any], where: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        quiet([{"from": "01:00", "to": "02:00"}, wrong])
    [error] = refused.value.errors()
    assert error["loc"] == ("windows", 1, *where)
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"tz": "Mars/Base"}, ("tz",)),
        ({"channels": ["in_app"]}, ("channels", 0)),
        ({"windows": EVERY_NIGHT * 21}, ("windows",)),
        ({"enabled": "yes"}, ("enabled",)),
    ],
)
def test_other_wrong_values_are_refused_where_they_are(
    wrong: dict[str, Any], where: tuple[str | int, ...]
) -> None:
    with pytest.raises(ValidationError) as refused:
        QuietHours.model_validate(wrong)
    [error] = refused.value.errors()
    assert error["loc"] == where
