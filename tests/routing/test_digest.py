"""When digests are due: once at the person's hour, whatever the clocks of their zone do."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.digest import due, due_for, lost, moved, zone_of
from routing.members import DAYS
from routing.model import Endpoint, Recipient
from routing.preferences import Digest, Preferences

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # skips midnight
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kathmandu",
    "Pacific/Apia",  # left out 2011-12-30
)
MAIL = UUID(int=1)

zones = st.sampled_from(ZONES)
hours = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
digests = st.builds(
    Digest, mode=st.sampled_from(["daily", "weekly"]), at=hours, weekday=st.sampled_from(DAYS)
)
moments = st.integers(0, 30 * 366 * 24 * 60).map(
    lambda minutes: datetime(2005, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def daily(at: str) -> Digest:
    return Digest(mode="daily", at=at)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def occurrences(digest: Digest, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    found = []
    while (begin := due(digest, zone, begin)) < end:
        found.append(begin)
    return found


@given(digests, zones, moments)
def test_it_is_always_still_to_come_and_soon_enough(digest: Digest, zone: str, now: datetime) -> None:
    days = 1 if digest.mode == "daily" else 7
    assert now < due(digest, zone, now) <= now + timedelta(days=days + 1, hours=2)


@given(digests, zones, moments)
def test_the_clock_shows_the_hour_or_has_just_skipped_it(digest: Digest, zone: str, now: datetime) -> None:
    at = due(digest, zone, now)
    shown = wall(at, zone)
    if f"{shown:%H:%M}" != digest.at or (digest.mode == "weekly" and DAYS[shown.weekday()] != digest.weekday):
        before = wall(at - timedelta(microseconds=1), zone)
        assert shown - before > timedelta(minutes=1)  # the clock was put forward at this very moment


@given(digests, zones, moments, st.integers(0, 14 * 24 * 60))
def test_whoever_asks_between_two_gets_the_same_one(
    digest: Digest, zone: str, now: datetime, minutes: int
) -> None:
    first = due(digest, zone, now)
    later = now + timedelta(minutes=minutes)
    assert (due(digest, zone, later) == first) == (later < first)


@given(digests, zones, moments)
def test_it_does_not_matter_in_which_zone_the_moment_is_told(
    digest: Digest, zone: str, now: datetime
) -> None:
    assert due(digest, zone, now.astimezone(ZoneInfo("Asia/Tokyo"))) == due(digest, zone, now)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("at", ["00:00", "00:30", "02:15", "02:30", "08:00", "23:59"])
@pytest.mark.parametrize("year", [2026, 2011])
def test_in_a_year_each_date_has_its_daily_digest_once(zone: str, at: str, year: int) -> None:
    begin, end = (datetime(one, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) for one in (year, year + 1))
    found = occurrences(daily(at), zone, begin - timedelta(microseconds=1), end)
    dates = [wall(one, zone).date() for one in found]
    left_out = {date(2011, 12, 30)} if (zone, year) == ("Pacific/Apia", 2011) else set()
    assert dates == [
        day
        for days in range(366)
        if (day := date(year, 1, 1) + timedelta(days=days)).year == year and day not in left_out
    ]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("weekday", DAYS)
def test_in_a_year_each_week_has_its_weekly_digest_once(zone: str, weekday: Any) -> None:
    digest = Digest(mode="weekly", at="02:15", weekday=weekday)
    found = occurrences(digest, zone, utc("2026-01-01"), utc("2027-01-01"))
    dates = [wall(one, zone).date() for one in found]
    assert {DAYS[day.weekday()] for day in dates} == {weekday}
    assert {later - day for day, later in pairwise(dates)} == {timedelta(days=7)}


def test_a_skipped_hour_means_the_moment_of_the_skip() -> None:
    assert due(daily("02:30"), "Europe/Berlin", utc("2026-03-28T12:00")) == utc("2026-03-29T01:00")
    assert due(daily("02:30"), "Europe/Berlin", utc("2026-03-29T01:00")) == utc("2026-03-30T00:30")


def test_of_an_hour_that_comes_twice_the_first_counts() -> None:
    first = due(daily("02:30"), "Europe/Berlin", utc("2026-10-24T12:00"))
    assert first == utc("2026-10-25T00:30")
    assert due(daily("02:30"), "Europe/Berlin", first) == utc("2026-10-26T01:30")


def test_a_date_that_was_left_out_has_no_daily_digest_and_the_weekly_one_as_soon_as_it_is_over() -> None:
    before, skip = utc("2011-12-30T09:00"), utc("2011-12-30T10:00")  # 2011-12-31 00:00 there
    assert due(daily("08:00"), "Pacific/Apia", before) == utc("2011-12-30T18:00")
    friday = Digest(mode="weekly", at="08:00", weekday="fri")
    assert due(friday, "Pacific/Apia", before) == skip
    assert f"{wall(due(friday, 'Pacific/Apia', skip), 'Pacific/Apia')}" == "2012-01-06 08:00:00"


def test_a_digest_that_is_off_is_never_due() -> None:
    with pytest.raises(ValueError, match="off"):
        due(Digest(mode="off"), None, utc("2026-01-01"))


def person(tz: str | None = None, *, refused: str | None = None, **preferences: Any) -> Recipient:
    return Recipient(
        user="ann",
        preferences=Preferences.model_validate(preferences),
        tz=tz,
        endpoints=(Endpoint(id=MAIL, channel="email", address="ann@example.com"),),
        refused={} if refused is None else {MAIL: frozenset({refused})},
    )


def test_the_zone_is_that_of_the_profile_else_that_of_the_quiet_hours_else_utc() -> None:
    quiet: dict[str, Any] = {"quiet_hours": {"tz": "Asia/Tokyo"}}
    assert zone_of(person("Europe/Berlin", **quiet)) == "Europe/Berlin"
    assert zone_of(person(**quiet)) == "Asia/Tokyo"
    assert due_for(person(), utc("2026-11-21T12:00")) == utc("2026-11-23T08:00")


def test_an_open_digest_is_given_up_when_nothing_can_come_of_it() -> None:
    assert lost(person(), MAIL, "email", "scheduled") is None
    assert lost(None, MAIL, "email", "scheduled") == "no_endpoint"
    assert lost(person(), uuid4(), "email", "scheduled") == "no_endpoint"
    assert lost(person(digest={"mode": "off"}), MAIL, "email", "scheduled") == "digest_off"
    assert lost(person(digest={"channel": "telegram"}), MAIL, "email", "scheduled") == "digest_off"
    assert lost(person(refused="digest"), MAIL, "email", "scheduled") == "unsubscribed"


def test_a_mail_that_was_put_off_has_nothing_to_do_with_digests() -> None:
    assert lost(person(digest={"mode": "off"}, refused="digest"), MAIL, "email", "spacing") is None


def test_what_is_due_at_an_hour_the_person_does_not_want_any_more_waits_for_the_new_one() -> None:
    opened, at_eight = utc("2026-11-21T21:00"), utc("2026-11-22T08:00")
    evening = person(digest={"mode": "daily", "at": "20:00"})
    assert moved(evening, opened, at_eight, at_eight) == utc("2026-11-22T20:00")
    assert moved(person(digest={"mode": "daily", "at": "08:00"}), opened, at_eight, at_eight) is None


def test_what_the_person_would_have_had_already_leaves_at_the_next_such_hour() -> None:
    opened, monday, evening = utc("2026-11-16T09:00"), utc("2026-11-23T08:00"), utc("2026-11-23T20:00")
    for mode in ({"mode": "daily"}, {"mode": "weekly", "weekday": "sun"}):
        to = person(digest={**mode, "at": "20:00"})
        assert moved(to, opened, monday, monday) == evening
        assert moved(to, opened, evening, evening + timedelta(minutes=1)) is None


def test_a_scheduler_that_is_late_sends_what_was_due() -> None:
    opened, monday = utc("2026-11-16T09:00"), utc("2026-11-23T08:00")
    assert moved(person(), opened, monday, monday + timedelta(hours=5)) is None
