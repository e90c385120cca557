"""Owns reading the log of events: lists, one event, the trace of one."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from aiohttp import web
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from gateways.http import outcomes, records
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import not_found
from schemas.events.members import Label, Time, Uuid
from schemas.ids import UserId
from schemas.store.events import Record

HIGHEST = 2**63 - 1

event_id = TypeAdapter[UUID](Uuid)


def place_in_log(text: str) -> int | None:
    """A number of the log as it is written, or None; none has more digits than a bigint always holds."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _since(given: object) -> int | datetime:
    """A number is a place in the log; anything else must be a time, whose + may have arrived as a space."""
    text = str(given)
    place = place_in_log(text)
    if place is not None:
        return place
    try:
        return moment.validate_python(text[:10] + text[10:].replace(" ", "+"))
    except ValidationError as error:
        raise ValueError(
            f"must be a number of the log, or {error.errors()[0]['msg'].removeprefix('must be ')}"
        ) from None


moment = TypeAdapter[datetime](Time)

SINCE_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
        {"type": "string", "format": "date-time"},
    ]
}

Seq = Annotated[int, Field(ge=0, le=HIGHEST)]
Since = Annotated[int | datetime, PlainValidator(_since), WithJsonSchema(SINCE_SCHEMA)]


class EventFilter(BaseModel):
    """Which events, in which order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Label | None = Field(None, description="only this type", examples=["content.liked"])
    subject: Label | None = Field(None, description="only this subject", examples=["content:c1"])
    since: Since | None = Field(
        None, description="only what was accepted from this RFC 3339 time on, or numbered above this integer"
    )
    limit: int = Field(50, ge=1, le=500)
    cursor: Seq | None = Field(None, description="`next` of the page before")
    order: Literal["asc", "desc"] = Field("asc", description="oldest first, or newest first")


async def list_events(call: Call[EventFilter, None]) -> web.Response:
    query = call.query
    descending = query.order == "desc"
    since_seq = query.since if isinstance(query.since, int) else None
    if query.cursor is not None and not descending:
        since_seq = max(query.cursor, since_seq or 0)
    found = await call.gateway.events.page(
        type=query.type,
        subject=query.subject,
        since_seq=since_seq,
        since_time=query.since if isinstance(query.since, datetime) else None,
        before_seq=query.cursor if descending else None,
        limit=query.limit + 1,
        newest_first=descending,
    )
    items, cursor = _cut(found, query.limit, descending=descending)
    return answer({"items": [records.shown(one) for one in items], "next": cursor})


def _cut(found: list[Record], limit: int, *, descending: bool) -> tuple[list[Record], str | None]:
    """A page and the cursor behind it.

    Events without a number come last going up; a page ends before them rather than showing them twice.
    Going down they come first, and the next page begins with the highest number.
    """
    items = found[:limit]
    if len(found) <= limit:
        return items, None
    numbered = [one.seq for one in items if one.seq is not None]
    if descending:
        return items, str(numbered[-1] if numbered else HIGHEST)
    if not numbered:
        return items, None
    return items[: len(numbered)], str(numbered[-1])


async def get_event(call: Call[None, None]) -> web.Response:
    record = await call.gateway.events.get(call.path["id"])
    if record is None:
        raise not_found("no event has this id")
    return answer(records.shown(record))


class TraceFilter(BaseModel):
    """Whose part of what was told; an event may be for a million."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: UserId | None = Field(None, description="only this person's part")
    limit: int = Field(1000, ge=1, le=1000, description="people at a time")
    cursor: UserId | None = Field(None, description="`notifications_next` of the page before")


async def get_trace(call: Call[TraceFilter, None]) -> web.Response:
    trace = await call.gateway.events.trace(call.path["id"])
    if trace is None:
        raise not_found("no event has this id")
    told, more = await _told(call)
    return answer(records.shown_trace(trace, told, more))


async def _told(call: Call[TraceFilter, None]) -> tuple[outcomes.Told, str | None]:
    """A page of the people for whom something was chosen upon the event, and the cursor behind it."""
    query, pool, key = call.query, call.gateway.pool, call.path["id"]
    store, deliveries = call.gateway.notifying.decisions, call.gateway.notifying.deliveries
    if query.user is not None:
        one = await store.get(pool, key, query.user)
        found = [] if one is None else [one]
    else:
        found = await store.of_event(pool, key, after=query.cursor or "", limit=query.limit + 1)
    shown = found[: query.limit]
    theirs = await deliveries.of_event(pool, key, [one.user_id for one in shown]) if shown else []
    told = await outcomes.load(call.gateway, shown, theirs)
    return told, shown[-1].user_id if len(found) > len(shown) else None


ROUTES = (
    Route(
        method="GET",
        path="/v1/events",
        handler=list_events,
        summary="List the log of events",
        tag="events",
        scopes=("admin",),
        query=EventFilter,
        replies={200: Reply(description="A page of the log", model=records.EventPage)},
    ),
    Route(
        method="GET",
        path="/v1/events/{id}",
        handler=get_event,
        summary="Get one event",
        tag="events",
        scopes=("admin",),
        path_types={"id": event_id},
        replies={200: Reply(description="The event", model=records.LoggedEvent)},
        problems=(404,),
    ),
    Route(
        method="GET",
        path="/v1/events/{id}/trace",
        handler=get_trace,
        summary="Explain what became of an event",
        tag="events",
        scopes=("publish",),
        path_types={"id": event_id},
        query=TraceFilter,
        replies={200: Reply(description="The way of the event so far", model=records.EventTrace)},
        problems=(404,),
    ),
)
