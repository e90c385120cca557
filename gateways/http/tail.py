"""Owns the live tail of the log: GET /v1/events/tail as server-sent events."""

import asyncio
from datetime import datetime

import orjson
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateways.gateway import Gateway
from gateways.http import records
from gateways.http.events import Seq, place_in_log
from gateways.http.route import Call, Header, Reply, Route
from gateways.problems import invalid, unavailable
from schemas.db import RETRYABLE
from schemas.events.members import Label
from schemas.ids import UserId
from schemas.store.events import Record

AT_ONCE = 50
PAGE = 200
KEEP_ALIVE_S = 15.0
MEDIA_TYPE = "text/event-stream"
LAST_ID = "Last-Event-ID"

log = structlog.get_logger(__name__)


class TailFilter(BaseModel):
    """Which events to follow, and from where."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Label | None = Field(None, description="only this type", examples=["hours.tipped"])
    user: UserId | None = Field(None, description="only events that this user caused or that name them")
    since: Seq | None = Field(None, description="begin above this number instead of now")


class Tails:
    """The open tails of one process: a bounded number, ended when the process ends."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[object]] = set()

    async def close(self, _app: web.Application) -> None:
        for task in self._open:
            task.cancel()

    async def follow(self, call: Call[TailFilter, None]) -> web.StreamResponse:
        task = asyncio.current_task()
        if len(self._open) >= AT_ONCE or task is None:
            raise unavailable(f"{AT_ONCE} tails are open already", 10)
        self._open.add(task)
        try:
            return await _stream(call)
        finally:
            self._open.discard(task)


TAILS = web.AppKey("tails", Tails)


async def tail(call: Call[TailFilter, None]) -> web.StreamResponse:
    return await call.request.app[TAILS].follow(call)


async def _stream(call: Call[TailFilter, None]) -> web.StreamResponse:
    after = await _start(call)
    response = web.StreamResponse(
        headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )
    await response.prepare(call.request)
    try:
        await _follow(call, after, response)
    except RETRYABLE as error:
        # The reader is gone, or the database is: a reader that comes back continues behind its last id.
        log.info("a tail ended", error=str(error) or type(error).__name__)
    return response


async def _follow(call: Call[TailFilter, None], after: int, response: web.StreamResponse) -> None:
    """Show what comes for as long as the reader could open the tail anew."""
    await response.write(b": following\n\n")
    until = call.principal.stays_until(call.gateway.clock.now())
    while not await _is_over(call, until):
        found, after = await _next(call.gateway, call.query, after)
        if found:
            await response.write(b"".join(map(_frame, found)))
            continue
        left = (until - call.gateway.clock.now()).total_seconds()
        if not await call.gateway.events.wait_relayed(after, max(0.0, min(KEEP_ALIVE_S, left))):
            await response.write(b": still here\n\n")


async def _is_over(call: Call[TailFilter, None], until: datetime) -> bool:
    if call.gateway.clock.now() >= until:
        return True
    user = await call.gateway.users.get(call.gateway.pool, call.principal.id)
    return user is None or user.suspended_at is not None


async def _start(call: Call[TailFilter, None]) -> int:
    """The number to begin above: the one the reader names, or the last one."""
    last_id = call.request.headers.get(LAST_ID)
    if last_id is None:
        return call.query.since if call.query.since is not None else await call.gateway.events.head()
    place = place_in_log(last_id)
    if place is None:
        raise invalid([(LAST_ID, "must be the `id` of an event of this stream")])
    return place


async def _next(gateway: Gateway, query: TailFilter, after: int) -> tuple[list[Record], int]:
    """Events above a number, and the number up to which nothing else is wanted."""
    head = await gateway.events.head()
    if head <= after:
        return [], after
    page = await gateway.events.page(type=query.type, since_seq=after, limit=PAGE)
    numbered = [one for one in page if one.seq is not None]
    highest = max((one.seq or 0 for one in numbered), default=after)
    # Fewer than a page: there was nothing else up to `head` (what has no number yet comes last).
    reached = highest if len(numbered) == PAGE else max(head, highest)
    wanted = [one for one in numbered if query.user is None or records.names(one, query.user)]
    return wanted, reached


def _frame(record: Record) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (record.seq or 0, orjson.dumps(records.shown(record)))


ROUTES = (
    Route(
        method="GET",
        path="/v1/events/tail",
        handler=tail,
        summary="Follow the log as it grows",
        description="Server-sent events: `id` is the event's number, `data` the event as in the list.",
        tag="events",
        scopes=("admin",),
        query=TailFilter,
        headers={
            LAST_ID: Header(
                description="continue behind this number",
                schema={"type": "string", "pattern": "^[0-9]{1,18}$"},
            )
        },
        replies={200: Reply(description="Events as they happen", media_type=MEDIA_TYPE)},
        streams=True,
    ),
)
