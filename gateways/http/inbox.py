"""Owns a person's inbox over HTTP: /v1/me/notifications, read and put away one by one or all at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import invalid, not_found
from routing.inbox import Changed, CursorError, State
from schemas.events.members import Uuid
from schemas.events.notifications import Priority, Topic

PATH = "/v1/me/notifications"

notification_id = TypeAdapter[UUID](Uuid)

Change = Callable[[str, Sequence[UUID]], Awaitable[Changed]]


class NotificationShown(BaseModel):
    """A notification in the inbox."""

    model_config = ConfigDict(frozen=True, title="Notification")

    id: UUID
    topic: Topic
    priority: Priority
    title: str
    text: str | None
    url: str | None
    actors: list[str] = Field(description="the latest first; not all where they are many")
    count: int = Field(description="how many people did it, or how many messages there are")
    event_ids: list[UUID] = Field(description="the latest first, at most a hundred")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    state: Literal["unread", "read", "archived"]


class NotificationPage(BaseModel):
    """Some notifications, and the cursor that continues behind them."""

    model_config = ConfigDict(frozen=True)

    items: list[NotificationShown]
    next: str | None


class Counts(BaseModel):
    """How many notifications are unread."""

    model_config = ConfigDict(frozen=True)

    unread: int


class AllRead(Counts):
    """How many were marked as read just now."""

    read: int


class InboxFilter(BaseModel):
    """Which notifications."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: State = Field("inbox", description="inbox: what is not archived; all: that, too")
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200, description="`next` of the page before")


async def list_notifications(call: Call[InboxFilter, None]) -> web.Response:
    query, inbox = call.query, call.gateway.notifying.inbox
    try:
        page = await inbox.page(call.principal.id, query.state, query.cursor, query.limit)
    except CursorError as error:
        raise invalid([("cursor", str(error))]) from None
    return answer({"items": [one.shown() for one in page.items], "next": page.next})


async def count_notifications(call: Call[None, None]) -> web.Response:
    return answer({"unread": await call.gateway.notifying.inbox.counts(call.principal.id)})


async def read_all_notifications(call: Call[None, None]) -> web.Response:
    inbox, user = call.gateway.notifying.inbox, call.principal.id
    read = await inbox.read_all(user)
    return answer({"read": read, "unread": await inbox.counts(user)})


async def read_notification(call: Call[None, None]) -> web.Response:
    return await _change(call, call.gateway.notifying.inbox.read)


async def unread_notification(call: Call[None, None]) -> web.Response:
    return await _change(call, call.gateway.notifying.inbox.unread)


async def archive_notification(call: Call[None, None]) -> web.Response:
    return await _change(call, call.gateway.notifying.inbox.archive)


async def _change(call: Call[None, None], change: Change) -> web.Response:
    changed = await change(call.principal.id, [call.path["id"]])
    if not changed.found:
        raise not_found("you have no notification of this id")
    return answer(changed.found[0].shown())


def _changing(
    name: str, handler: Callable[[Call[None, None]], Awaitable[Any]], summary: str
) -> Route[None, None]:
    return Route(
        method="POST",
        path=f"{PATH}/{{id}}/{name}",
        handler=handler,
        summary=summary,
        tag="notifications",
        scopes=("user",),
        path_types={"id": notification_id},
        replies={200: Reply(description="The notification as it is now", model=NotificationShown)},
        problems=(404,),
    )


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=list_notifications,
        summary="List my notifications",
        description="The last changed first.",
        tag="notifications",
        scopes=("user",),
        query=InboxFilter,
        replies={200: Reply(description="A page of the inbox", model=NotificationPage)},
    ),
    Route(
        method="GET",
        path=f"{PATH}/counts",
        handler=count_notifications,
        summary="Count my unread notifications",
        tag="notifications",
        scopes=("user",),
        replies={200: Reply(description="How many there are", model=Counts)},
    ),
    Route(
        method="POST",
        path=f"{PATH}/read-all",
        handler=read_all_notifications,
        summary="Mark all my notifications as read",
        tag="notifications",
        scopes=("user",),
        replies={200: Reply(description="How many were marked, and are unread now", model=AllRead)},
    ),
    _changing("read", read_notification, "Mark a notification as read"),
    _changing("unread", unread_notification, "Mark a notification as unread again"),
    _changing("archive", archive_notification, "Put a notification out of the way"),
)
