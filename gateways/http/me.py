"""Owns what a person may see and say about themselves: /v1/me and the export."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, PlainValidator, WithJsonSchema

from gateways.gateway import Gateway
from gateways.http import records
from gateways.http.body import JSON, MERGE_PATCH, JsonBody
from gateways.http.people import UserShown, shown_user
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import ProblemError
from schemas.events.members import rfc3339
from schemas.profile import Personal
from schemas.store.users import User

PAGE = 200


def _refused(_given: object) -> None:
    raise ValueError("is set by the platform (PUT /v1/users/{id}), not here")


Refused = Annotated[None, PlainValidator(_refused), WithJsonSchema({"not": {}})]


class PersonalChanges(Personal):
    """A merge patch (RFC 7396): what is absent stays, null takes the value away."""

    email: Refused = None
    phone: Refused = None
    roles: Refused = None


class Export(BaseModel):
    """Everything the hub holds about a person."""

    model_config = ConfigDict(frozen=True)

    exported_at: str
    profile: UserShown
    events: list[records.LoggedEvent]


async def _me(call: Call[Any, Any]) -> User:
    who = call.principal
    return await call.gateway.users.greet(call.gateway.pool, who.id, name=who.name, tz=who.tz)


async def get_me(call: Call[None, None]) -> web.Response:
    return answer(shown_user(await _me(call)))


async def patch_me(call: Call[None, PersonalChanges]) -> web.Response:
    changes = call.body.model_dump(exclude_unset=True)
    user = await call.gateway.users.patch(call.gateway.pool, call.principal.id, changes)
    if user is None:
        raise ProblemError(409, "conflict", "this user was erased just now")
    return answer(shown_user(user))


async def export_me(call: Call[None, None]) -> web.StreamResponse:
    """Stream the export page by page, so that a long life costs no memory."""
    user, gateway = await _me(call), call.gateway
    response = web.StreamResponse(
        headers={
            "Content-Type": JSON,
            "Content-Disposition": 'attachment; filename="hub-export.json"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(call.request)
    head = {"exported_at": rfc3339(gateway.clock.now()), "profile": shown_user(user)}
    await response.write(orjson.dumps(head)[:-1] + b',"events":[')
    separator = b""
    async for page in _events_of(gateway, user.id):
        if page:
            await response.write(separator + b",".join(page))
            separator = b","
    await response.write(b"]}")
    await response.write_eof()
    return response


async def _events_of(gateway: Gateway, user: str) -> AsyncIterator[list[bytes]]:
    after: UUID | None = None
    while True:
        found = await gateway.events.of_user(user, after, PAGE)
        # The statement also finds the id in free text; the event itself knows whether it names the user.
        yield [orjson.dumps(records.shown(one)) for one in found if records.names(one, user)]
        if len(found) < PAGE:
            return
        after = UUID(found[-1].wire["id"])


ROUTES = (
    Route(
        method="GET",
        path="/v1/me",
        handler=get_me,
        summary="Get my profile",
        tag="me",
        scopes=("user",),
        replies={200: Reply(description="My profile", model=UserShown)},
    ),
    Route(
        method="PATCH",
        path="/v1/me",
        handler=patch_me,
        summary="Change my profile",
        description="RFC 7396: absent members stay, null takes a value away. The platform sets the rest.",
        tag="me",
        scopes=("user",),
        body=JsonBody(PersonalChanges, MERGE_PATCH, JSON),
        replies={200: Reply(description="My profile", model=UserShown)},
        problems=(409,),
    ),
    Route(
        method="GET",
        path="/v1/me/export",
        handler=export_me,
        summary="Export everything the hub holds about me",
        tag="me",
        scopes=("user",),
        replies={200: Reply(description="The export, as a file", model=Export)},
        streams=True,
    ),
)
