"""Owns when digests are due: at the hour and on the day a person chose, in their zone, right across DST."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import count
from typing import Final, Literal
from uuid import UUID

from routing.members import DAYS, ChannelKind
from routing.model import Recipient
from routing.preferences import Digest
from routing.wall_clock import first, zone_named

Kind = Literal["scheduled", "spacing"]
Lost = Literal["digest_off", "no_endpoint", "unsubscribed"]
"""Why a digest is given up; what was in it stays in the inbox."""

TOPIC: Final = "digest"
"""Under which consent speaks of digests, and their deliveries stand."""
_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)


@lru_cache(maxsize=10_000)  # whole audiences want theirs at the same hour
def due(digest: Digest, tz: str | None, now: datetime) -> datetime:
    """When the next digest leaves, in UTC and always after `now`; ValueError if there is none.

    A time that the clock skips means the moment of the skip, and of a time that comes twice the first
    counts. A date that a zone left out altogether has no daily digest; the weekly one comes as soon as
    that is over.
    """
    if digest.mode == "off":
        raise ValueError("digest.mode is off: such a digest is never due")
    zone = zone_named(tz)
    # Yesterday too: a clock put back across midnight shows the day before once more.
    today = now.astimezone(zone).date() - _DAY
    return next(moment for moment in _moments(digest, zone, today) if moment > now)


def due_for(to: Recipient, now: datetime) -> datetime:
    """When a person's next digest leaves; ValueError if they want none."""
    return due(to.preferences.digest, zone_of(to), now)


def zone_of(to: Recipient) -> str | None:
    """That of the profile; where it has none, that of the quiet hours says where the person lives."""
    return to.tz or to.preferences.quiet_hours.tz


def lost(to: Recipient | None, endpoint: UUID, channel: ChannelKind, kind: Kind) -> Lost | None:
    """Why nothing can come of an open digest any more, judged when it is due."""
    if to is None or all(one.id != endpoint for one in to.endpoints):
        return "no_endpoint"
    if kind == "spacing":
        return None
    if TOPIC in to.refused.get(endpoint, ()):
        return "unsubscribed"
    digest = to.preferences.digest
    return "digest_off" if digest.mode == "off" or digest.channel != channel else None


def moved(to: Recipient, opened_at: datetime, due_at: datetime, now: datetime) -> datetime | None:
    """When a scheduled digest leaves instead, if what the person wants by now is not that it leaves now.

    One that they would have had already, as they want it now, leaves on the next day at the hour.
    """
    digest, tz = to.preferences.digest, zone_of(to)
    if due(digest, tz, opened_at) <= now:
        digest = digest.model_copy(update={"mode": "daily"})
    return None if due(digest, tz, due_at - _TICK) == due_at else due(digest, tz, now)


def _moments(digest: Digest, zone: tzinfo, day: date) -> Iterator[datetime]:
    at = time.fromisoformat(digest.at)
    for days in count():
        on = day + days * _DAY
        if digest.mode == "weekly":
            if DAYS[on.weekday()] == digest.weekday:
                yield first(datetime.combine(on, at), zone)
        elif _is_shown(on, zone):
            yield first(datetime.combine(on, at), zone)


def _is_shown(day: date, zone: tzinfo) -> bool:
    return first(datetime.combine(day, time()), zone).astimezone(zone).date() == day
