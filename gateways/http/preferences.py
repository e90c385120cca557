"""Owns what a person says about how they are told: /v1/me/preferences."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateways.http.body import JSON, MERGE_PATCH, JsonBody, parse_json, read_bytes
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import from_validation, invalid
from routing.preferences import Preferences, effective, merge
from routing.rescheduling import reschedule
from routing.wall_clock import zone_named
from schemas.db import Source

Document = dict[str, Any]

MOST_VALUES = 5_000
"""More than a thousand mutes with their ends, and everything else there is."""


class Patch:
    """A merge patch (RFC 7396) of a document: any JSON object; what comes of it is checked."""

    model: type[BaseModel] | None = None

    async def read(self, request: web.Request) -> Document:
        value = parse_json(await read_bytes(request, (MERGE_PATCH, JSON)))
        if not isinstance(value, dict):
            raise invalid([("", "must be a JSON object")])
        check_size(value)
        return value

    def document(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        schema = {"type": "object", "description": "the members that change"}
        return {"required": True, "content": {one: {"schema": schema} for one in (MERGE_PATCH, JSON)}}


class Whole(JsonBody[Preferences]):
    """A whole document; refused early where it holds more than any could."""

    async def read(self, request: web.Request) -> Preferences:
        value = parse_json(await read_bytes(request, (JSON,)))
        if isinstance(value, dict):
            check_size(value)
        return await super().read(request)  # the request keeps what was read


def check_size(value: dict[str, Any]) -> None:
    """Refuse what holds more than any preferences do: each unknown member would cost an error."""
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            count += len(one)
            if count > MOST_VALUES:
                raise invalid(
                    [("", f"must hold at most {MOST_VALUES:,} values, those within others counted")]
                )
            waiting.extend(one.values() if isinstance(one, dict) else one)


async def get_preferences(call: Call[None, None]) -> web.Response:
    said = await call.gateway.notifying.preferences.get(call.gateway.pool, call.principal.id)
    return answer(await _shown(call, call.gateway.pool, said))


async def put_preferences(call: Call[None, Preferences]) -> web.Response:
    store, user = call.gateway.notifying.preferences, call.principal.id
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        before = await store.lock(tx, user)
        said = call.body.put_back(before, [await _shown(call, tx, one) for one in (before, {})])
        await store.put(tx, user, said)
        await reschedule(tx, user, call.gateway.clock)
    return answer(await _shown(call, call.gateway.pool, said))


async def patch_preferences(call: Call[None, Document]) -> web.Response:
    store, user = call.gateway.notifying.preferences, call.principal.id
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        before = await store.lock(tx, user)
        try:
            said = merge(before, call.body)
        except ValidationError as error:
            raise from_validation(error) from None
        await store.put(tx, user, said)
        await reschedule(tx, user, call.gateway.clock)
    return answer(await _shown(call, call.gateway.pool, said))


async def _shown(call: Call[None, Any], source: Source, said: Mapping[str, Any]) -> Document:
    """All that holds: where nothing is said of language and zone, those of the profile."""
    shown = effective(said, call.gateway.clock.now())
    user = await call.gateway.users.get(source, call.principal.id)
    if "locale" not in said:
        shown["locale"] = (user and user.locale) or shown["locale"]
    quiet = shown["quiet_hours"]
    quiet["tz"] = quiet["tz"] or str(zone_named(user.tz if user else None))
    return shown


PATH = "/v1/me/preferences"
EFFECTIVE = Reply(description="What holds, with the defaults filled in", model=Preferences)

ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=get_preferences,
        summary="Get my preferences",
        description="Everything that holds: what I said, and the defaults of the rest.",
        tag="me",
        scopes=("user",),
        replies={200: EFFECTIVE},
    ),
    Route(
        method="PUT",
        path=PATH,
        handler=put_preferences,
        summary="Replace my preferences",
        description="Absent members have their defaults from now on. Whoever names every topic on every"
        " channel, as what was shown does, says only what differs from that, and from what is so for who says"
        " nothing: the rest goes on following the digest and the profile.",
        tag="me",
        scopes=("user",),
        body=Whole(Preferences),
        replies={200: EFFECTIVE},
    ),
    Route(
        method="PATCH",
        path=PATH,
        handler=patch_preferences,
        summary="Change my preferences",
        description="RFC 7396: absent members stay, null brings a default back, lists are replaced whole.",
        tag="me",
        scopes=("user",),
        body=Patch(),
        replies={200: EFFECTIVE},
    ),
)
