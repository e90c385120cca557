"""Owns what a person may see and say about their profile: /v1/me."""

from typing import Annotated, Any

from aiohttp import web
from pydantic import PlainValidator, WithJsonSchema

from gateways.http.body import JSON, MERGE_PATCH, JsonBody
from gateways.http.people import UserShown, shown_user
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import ProblemError
from routing.rescheduling import reschedule
from schemas.profile import Personal
from schemas.store.users import User


def _refused(_given: object) -> None:
    raise ValueError("is set by the platform (PUT /v1/users/{id}), not here")


Refused = Annotated[None, PlainValidator(_refused), WithJsonSchema({"not": {}})]


class PersonalChanges(Personal):
    """A merge patch (RFC 7396): what is absent stays, null takes the value away."""

    email: Refused = None
    phone: Refused = None
    roles: Refused = None


async def _me(call: Call[Any, Any]) -> User:
    who = call.principal
    return await call.gateway.users.greet(call.gateway.pool, who.id, name=who.name, tz=who.tz)


async def get_me(call: Call[None, None]) -> web.Response:
    return answer(shown_user(await _me(call)))


async def patch_me(call: Call[None, PersonalChanges]) -> web.Response:
    changes = call.body.model_dump(exclude_unset=True)
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        user = await call.gateway.users.patch(tx, call.principal.id, changes)
        if "tz" in changes:
            await reschedule(tx, call.principal.id, call.gateway.clock)
    if user is None:
        raise ProblemError(409, "conflict", "this user was erased just now")
    return answer(shown_user(user))


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
)
