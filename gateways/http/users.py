"""Owns what the platform tells the hub about people: PUT and GET /v1/users/{id}."""

from aiohttp import web
from pydantic import TypeAdapter

from gateways.http.body import JsonBody
from gateways.http.people import UserShown, shown_user
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import not_found
from routing.rescheduling import reschedule
from schemas.ids import UserId
from schemas.profile import Profile

user_id = TypeAdapter[str](UserId)


async def put_user(call: Call[None, Profile]) -> web.Response:
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        user, created = await call.gateway.users.put(tx, call.path["id"], call.body)
        if not created:
            await reschedule(tx, user.id, call.gateway.clock)
    return answer(shown_user(user), 201 if created else 200)


async def get_user(call: Call[None, None]) -> web.Response:
    user = await call.gateway.users.get(call.gateway.pool, call.path["id"])
    if user is None:
        raise not_found("the hub has not heard of this user")
    return answer(shown_user(user))


ROUTES = (
    Route(
        method="PUT",
        path="/v1/users/{id}",
        handler=put_user,
        summary="Tell the hub about a user",
        description="Replaces the whole profile. E-mail and phone given here count as verified.",
        tag="users",
        scopes=("publish",),
        path_types={"id": user_id},
        body=JsonBody(Profile),
        replies={
            200: Reply(description="Replaced", model=UserShown),
            201: Reply(description="Created", model=UserShown),
        },
    ),
    Route(
        method="GET",
        path="/v1/users/{id}",
        handler=get_user,
        summary="Get a user",
        tag="users",
        scopes=("publish",),
        path_types={"id": user_id},
        replies={200: Reply(description="The user", model=UserShown)},
        problems=(404,),
    ),
)
