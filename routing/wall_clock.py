"""Owns which moment is meant by what a clock on the wall shows in a zone, right across DST."""

from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from schemas.profile import is_zone

_TICK: Final = timedelta(microseconds=1)


def first(wall: datetime, zone: tzinfo) -> datetime:
    """When the clock first shows this or later, in UTC."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    return moment if _is_shown(wall, moment, zone) else _skip(wall, zone)


def last(wall: datetime, zone: tzinfo) -> datetime:
    """From when on the clock shows nothing earlier any more, in UTC."""
    moment = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if not _is_shown(wall, moment, zone):
        return _skip(wall, zone)
    if _is_earlier(moment, wall, zone):
        return moment
    return wall.replace(tzinfo=zone, fold=0).astimezone(UTC)  # the clock was put back to exactly this


@cache
def zone_named(name: str | None) -> tzinfo:
    # A zone may be one that this machine's data does not know.
    return ZoneInfo(name) if name is not None and is_zone(name) else UTC


def _is_shown(wall: datetime, moment: datetime, zone: tzinfo) -> bool:
    return moment.astimezone(zone).replace(tzinfo=None) == wall


def _is_earlier(moment: datetime, wall: datetime, zone: tzinfo) -> bool:
    return (moment - _TICK).astimezone(zone).replace(tzinfo=None) < wall


def _skip(wall: datetime, zone: tzinfo) -> datetime:
    """When the clock was put forward past this."""
    # PEP 495: read with the offset after the skip it lies before, with the one before it lies behind.
    before, behind = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0))
    after_skip = behind.astimezone(zone).utcoffset()
    seconds = range(int((behind - before).total_seconds()))
    return before + timedelta(
        seconds=bisect_left(
            seconds,
            True,
            key=lambda s: (before + timedelta(seconds=s)).astimezone(zone).utcoffset() == after_skip,
        )
    )
