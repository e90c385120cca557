"""Owns the addresses at which a person can be reached: /v1/me/endpoints."""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from gateways.gateway import Notifying
from gateways.http.body import JsonBody
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import conflict, invalid, not_found
from routing.consent import Scope
from schemas.db import Connection
from schemas.events.members import Uuid, rfc3339
from schemas.events.words import in_words
from schemas.ids import uuid7
from schemas.profile import Email, Line, Phone
from schemas.store.consent import Place, same
from schemas.store.endpoints import REMOVED, NewEndpoint, StoredEndpoint

Owned = Literal["push", "sms", "email"]

PATH: Final = "/v1/me/endpoints"
MOST: Final[Mapping[str, int]] = {"push": 20, "sms": 5, "email": 5}
GONE_FROM_SIGHT: Final = frozenset({REMOVED, "replaced"})
"""Why an endpoint may be retired that its owner need not be told of."""

endpoint_id = TypeAdapter[UUID](Uuid)

# A push address may be a token, or a whole subscription of a browser.
Opaque = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
ADDRESSES: Final[Mapping[str, TypeAdapter[str]]] = {
    "push": TypeAdapter[str](Opaque),
    "sms": TypeAdapter[str](Phone),
    "email": TypeAdapter[str](Email),
}


class EndpointGiven(BaseModel):
    """An address I can be reached at."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="NewEndpoint")

    channel: Owned
    address: Opaque = Field(description="a push token, a phone number (E.164) or an e-mail address")
    kind: Literal["token", "fid", "webpush"] | None = Field(None, description="of push, and required there")
    platform: Line | None = Field(None, examples=["android"])
    name: Line | None = Field(None, description="what I call the device", examples=["My phone"])


class EndpointShown(BaseModel):
    """One of my endpoints."""

    model_config = ConfigDict(frozen=True, title="Endpoint")

    id: UUID
    channel: str
    address: str
    kind: str | None
    platform: str | None
    name: str | None
    state: Literal["pending", "active", "retired"]
    retired_reason: str | None
    unsubscribed: list[str] = Field(description="topics that are not sent there; `all`: nothing is")
    created_at: AwareDatetime
    verified_at: AwareDatetime | None
    used_at: AwareDatetime | None


class EndpointPage(BaseModel):
    """All my endpoints."""

    model_config = ConfigDict(frozen=True)

    items: list[EndpointShown]
    next: None = None


async def list_endpoints(call: Call[None, None]) -> web.Response:
    notifying, pool = call.gateway.notifying, call.gateway.pool
    found = [one for one in await notifying.endpoints.of_user(pool, call.principal.id) if _is_shown(one)]
    refused = await notifying.ledger.refused(pool, {(one.channel, one.address) for one in found})
    return answer({"items": [shown_endpoint(one, refused) for one in found], "next": None})


async def add_endpoint(call: Call[None, EndpointGiven]) -> web.Response:
    given, user, notifying = call.body, call.principal.id, call.gateway.notifying
    given = _checked(given)
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        await notifying.endpoints.lock(tx, user)
        _check_room(given, await notifying.endpoints.of_user(tx, user))
        made = await _put(tx, notifying, user, given, call)
        if made.state == "active":
            await _consent(tx, notifying, made)
        refused = await notifying.ledger.refused(tx, [(made.channel, made.address)])
    return answer(shown_endpoint(made, refused), 201)


async def _put(
    tx: Connection, notifying: Notifying, user: str, given: EndpointGiven, call: Call[Any, Any]
) -> StoredEndpoint:
    if given.channel == "push":
        # A device belongs to whoever is signed in on it: its owner before must not be told of there any more.
        await notifying.endpoints.retire_address(tx, given.channel, given.address, "moved")
    of_profile = await _is_of_profile(tx, user, given, call)
    endpoint = NewEndpoint(
        id=uuid7(),
        user_id=user,
        state="active" if of_profile or given.channel == "push" else "pending",
        of_profile=of_profile,
        **given.model_dump(),
    )
    return await notifying.endpoints.put(tx, endpoint, call.gateway.clock.now())


async def _is_of_profile(tx: Connection, user: str, given: EndpointGiven, call: Call[Any, Any]) -> bool:
    """Whether the platform has told the address as the person's: then there is nothing left to verify."""
    known = await call.gateway.users.get(tx, user)
    if known is None:
        return False
    if given.channel == "email":
        told, verified_at = known.email and same("email", known.email), known.email_verified_at
    else:
        told, verified_at = known.phone, known.phone_verified_at
    return given.channel != "push" and given.address == told and verified_at is not None


async def _consent(tx: Connection, notifying: Notifying, made: StoredEndpoint) -> None:
    """Who brings an address that is theirs wants to be written to there, whatever was refused before.

    SMS is left out: whoever said STOP to a carrier can only say START to it.
    """
    if made.channel != "sms" and await notifying.consents.refused(tx, made.channel, made.address):
        scope = Scope(made.channel, made.address)
        await notifying.consents.start(tx, scope, source="settings", user=made.user_id)


async def remove_endpoint(call: Call[None, None]) -> web.Response:
    endpoints, pool = call.gateway.notifying.endpoints, call.gateway.pool
    user, key = call.principal.id, call.path["id"]
    if await endpoints.retire(pool, user, key, REMOVED) is None:
        raise not_found("you have no endpoint of this id in use")
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


def _checked(given: EndpointGiven) -> EndpointGiven:
    """Refuse what does not fit its channel; answers it with the address as it is kept."""
    if given.channel == "push" and given.kind is None:
        raise invalid([("kind", "a push endpoint needs one: token, fid or webpush")])
    if given.channel != "push" and given.kind is not None:
        raise invalid([("kind", "only a push endpoint has one")])
    try:
        address = ADDRESSES[given.channel].validate_python(given.address)
    except ValidationError as error:
        raise invalid([("address", in_words(error.errors(include_url=False)[0]))]) from None
    return given.model_copy(update={"address": address})


def _check_room(given: EndpointGiven, present: Sequence[StoredEndpoint]) -> None:
    used = {one.address for one in present if one.channel == given.channel and one.state != "retired"}
    most = MOST[given.channel]
    if len(used - {given.address}) >= most:
        raise conflict(f"you have {most} endpoints of this channel already; remove one first")


def _is_shown(one: StoredEndpoint) -> bool:
    return one.state != "retired" or one.retired_reason not in GONE_FROM_SIGHT


def shown_endpoint(one: StoredEndpoint, refused: Mapping[Place, Collection[str]]) -> dict[str, Any]:
    at = {
        name: rfc3339(moment) if (moment := getattr(one, name)) else None
        for name in ("created_at", "verified_at", "used_at")
    }
    return {
        "id": str(one.id),
        "channel": one.channel,
        "address": one.address,
        "kind": one.kind,
        "platform": one.platform,
        "name": one.name,
        "state": one.state,
        "retired_reason": one.retired_reason,
        "unsubscribed": sorted(topic or "all" for topic in refused.get((one.channel, one.address), ())),
        **at,
    }


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=list_endpoints,
        summary="List my endpoints",
        tag="me",
        scopes=("user",),
        replies={200: Reply(description="All of them, the oldest first", model=EndpointPage)},
    ),
    Route(
        method="POST",
        path=PATH,
        handler=add_endpoint,
        summary="Add an endpoint",
        description="A push endpoint is active at once; a phone number or e-mail address is pending until it"
        " is verified, but for those of the profile: they are active at once. An address brought again keeps"
        " its id, and is written to again. What you removed only you can bring again, not the platform.",
        tag="me",
        scopes=("user",),
        body=JsonBody(EndpointGiven),
        replies={201: Reply(description="The endpoint", model=EndpointShown)},
        problems=(409,),
    ),
    Route(
        method="DELETE",
        path=f"{PATH}/{{id}}",
        handler=remove_endpoint,
        summary="Remove an endpoint",
        tag="me",
        scopes=("user",),
        path_types={"id": endpoint_id},
        replies={204: Reply(description="Nothing is sent there any more", media_type=None)},
        problems=(404,),
    ),
)
