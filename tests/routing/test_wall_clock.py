"""Which moment is meant by what a clock on the wall shows, also where it was put forward or back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.wall_clock import first, last, zone_named

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "UTC",
)
BEGIN = datetime(2010, 1, 1, tzinfo=UTC)

walls = st.integers(0, 20 * 365 * 24 * 4).map(
    lambda quarters: (BEGIN + timedelta(minutes=15 * quarters)).replace(tzinfo=None)
)
zones = st.sampled_from(ZONES)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@given(walls, zones)
def test_from_the_first_moment_on_the_clock_has_shown_it_and_before_it_has_not(
    at: datetime, zone: str
) -> None:
    moment = first(at, ZoneInfo(zone))
    assert shown(moment, zone) >= at
    for minutes in range(1, 26 * 60, 7):
        assert shown(moment - timedelta(minutes=minutes), zone) < at


@given(walls, zones)
def test_after_the_last_moment_the_clock_shows_nothing_earlier(at: datetime, zone: str) -> None:
    moment = last(at, ZoneInfo(zone))
    assert shown(moment - timedelta(microseconds=1), zone) < at or moment == first(at, ZoneInfo(zone))
    for minutes in range(0, 26 * 60, 7):
        assert shown(moment + timedelta(minutes=minutes), zone) >= at


@pytest.mark.parametrize(
    ("at", "begins", "ends"),
    [
        ("2026-03-29 02:30", "2026-03-29T01:00", "2026-03-29T01:00"),  # skipped
        ("2026-10-25 02:30", "2026-10-25T00:30", "2026-10-25T01:30"),  # shown twice
        ("2026-06-01 08:00", "2026-06-01T06:00", "2026-06-01T06:00"),
    ],
)
def test_a_time_that_is_skipped_or_comes_twice_in_berlin(at: str, begins: str, ends: str) -> None:
    zone = zone_named("Europe/Berlin")
    assert (first(wall(at), zone), last(wall(at), zone)) == (utc(begins), utc(ends))


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert zone_named("Mars/Olympus") is zone_named(None) is UTC
