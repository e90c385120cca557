"""Owns the figures for operators: GET /v1/stats/events."""

import re
from datetime import date, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import invalid
from schemas.store import stats

DEFAULT_DAYS = 30
MAX_DAYS = 366
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(text: object) -> date:
    if not (isinstance(text, str) and DAY.fullmatch(text)):  # fromisoformat also takes weeks
        raise ValueError("must be a day such as 2026-01-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("is not a day of the calendar") from None


Day = Annotated[date, PlainValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class Days(BaseModel):
    """A span of UTC days, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=False, serialize_by_alias=True)

    first: Day | None = Field(None, alias="from", description="30 days before `to` unless given")
    last: Day | None = Field(None, alias="to", description="today unless given")


class DailyEvents(BaseModel):
    """How many events of a type one day had."""

    model_config = ConfigDict(frozen=True)

    day: date
    type: str
    count: int


class DailyEventsPage(BaseModel):
    """Counts by day and type."""

    model_config = ConfigDict(frozen=True)

    items: list[DailyEvents]
    next: str | None


async def list_daily(call: Call[Days, None]) -> web.Response:
    last = call.query.last or call.gateway.clock.now().date()
    first = call.query.first or max(date.min + timedelta(DEFAULT_DAYS), last) - timedelta(DEFAULT_DAYS)
    if first > last:
        raise invalid([("from", "must not be after `to`")])
    if (last - first).days >= MAX_DAYS:
        raise invalid([("from", f"must be less than {MAX_DAYS} days before `to`")])
    async with call.gateway.pool.acquire() as connection:
        found = await stats.list_daily(connection, first, last)
    items = [{"day": one.day.isoformat(), "type": one.type, "count": one.count} for one in found]
    return answer({"items": items, "next": None})


ROUTES = (
    Route(
        method="GET",
        path="/v1/stats/events",
        handler=list_daily,
        summary="Count events by type and day",
        tag="stats",
        scopes=("admin",),
        query=Days,
        replies={200: Reply(description="Counts by UTC day", model=DailyEventsPage)},
    ),
)
