"""Owns the addresses at which a person can be reached: /v1/me/endpoints."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from gateways.gateway import Notifying
from gateways.http.body import JSON, MERGE_PATCH, JsonBody
from gateways.http.cursors import Cursor, cursor_of
from gateways.http.endpoint_shown import (
    EndpointPage,
    EndpointShown,
    is_shown,
    show,
    shown_endpoint,
    unknown_endpoint,
    verifying,
    waiting,
)
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import conflict, invalid
from routing.consent import Scope
from routing.rescheduling import reschedule
from routing.verification import TooSoonError
from schemas.db import Connection
from schemas.events.members import Uuid
from schemas.events.words import in_words
from schemas.ids import uuid7
from schemas.profile import Email, Line, Phone
from schemas.store.consent import EVERY_TOPIC, same
from schemas.store.endpoints import REMOVED, NewEndpoint, StoredEndpoint
from schemas.store.verifications import Verifications

Owned = Literal["push", "sms", "email"]

PATH: Final = "/v1/me/endpoints"
MOST: Final[Mapping[str, int]] = {"push": 20, "sms": 5, "email": 5}

endpoint_id = TypeAdapter[UUID](Uuid)

# Tokens of push say nothing of their form.
Opaque = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
ADDRESSES: Final[Mapping[str, TypeAdapter[str]]] = {
    "push": TypeAdapter[str](Opaque),
    "sms": TypeAdapter[str](Phone),
    "email": TypeAdapter[str](Email),
}
SUBSCRIPTION: Final = re.compile(r"\s*\{|\s*https?://", re.IGNORECASE)
"""What a browser's PushManager gives, whole or its endpoint; FCM, which sends to all kinds, takes neither."""


class EndpointGiven(BaseModel):
    """An address I can be reached at."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="NewEndpoint")

    channel: Owned
    address: Opaque = Field(description="a push token, a phone number (E.164) or an e-mail address")
    kind: Literal["token", "fid", "webpush"] | None = Field(
        None, description="of push, `token` if it is not named"
    )
    platform: Line | None = Field(None, examples=["android"])
    name: Line | None = Field(None, description="what I call the device", examples=["My phone"])


class EndpointChanges(BaseModel):
    """A merge patch (RFC 7396): what is absent stays, null takes the value away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Line | None = Field(None, description="what I call it", examples=["My old phone"])


class EndpointsWanted(BaseModel):
    """Which of my endpoints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int | None = Field(None, ge=1, le=200, description="all of them, if it is not named")
    cursor: Cursor | None = Field(None, description="`next` of the page before")


async def list_endpoints(call: Call[EndpointsWanted, None]) -> web.Response:
    notifying, pool, user = call.gateway.notifying, call.gateway.pool, call.principal.id
    limit, after = call.query.limit, call.query.cursor
    found = [
        one
        for one in await notifying.endpoints.of_user(pool, user)
        if is_shown(one) and (after is None or (one.created_at, one.id) > after)
    ]
    last = found[limit - 1] if limit is not None and len(found) > limit else None
    found = found[:limit]
    refused = await notifying.ledger.refused(pool, {(one.channel, one.address) for one in found})
    standings = await verifying(call).standings(pool, user, waiting(call, found))
    items = [shown_endpoint(one, refused, standings.get(one.id)) for one in found]
    following = cursor_of(last.created_at, last.id) if last else None
    return answer({"items": items, "next": following, "channels": list(call.gateway.config.channels)})


async def add_endpoint(call: Call[None, EndpointGiven]) -> web.Response:
    given, user, notifying = call.body, call.principal.id, call.gateway.notifying
    given = _checked(given)
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        await notifying.endpoints.lock(tx, user)
        _check_room(given, await notifying.endpoints.of_user(tx, user))
        made = await _put(tx, notifying, user, given, call)
        if made.state == "active":
            await _consent(tx, notifying, made)
        else:
            await _ask(tx, call, made)
        if made.channel != "push":  # apps bring theirs at each start, and nothing is gathered for them
            await reschedule(tx, user, call.gateway.clock)
        shown = await show(tx, call, made)
    return answer(shown, 201)


async def _ask(tx: Connection, call: Call[Any, Any], made: StoredEndpoint) -> None:
    if made.channel not in call.gateway.config.channels:
        return
    try:
        await verifying(call).ask(tx, made)
    except TooSoonError:  # the answer tells when the next may be asked for
        await verifying(call).repeat(tx, made)


async def rename_endpoint(call: Call[None, EndpointChanges]) -> web.Response:
    endpoints, user, key = call.gateway.notifying.endpoints, call.principal.id, call.path["id"]
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        if "name" in call.body.model_fields_set:
            changed = await endpoints.rename(tx, user, key, call.body.name)
        else:
            changed = await endpoints.get(tx, key)
        if changed is None or changed.user_id != user or changed.state == "retired":
            raise unknown_endpoint()
        return answer(await show(tx, call, changed))


async def _put(
    tx: Connection, notifying: Notifying, user: str, given: EndpointGiven, call: Call[Any, Any]
) -> StoredEndpoint:
    if given.channel == "push":
        # A device belongs to whoever is signed in on it: its owner before must not be told of there any more.
        # Of two who bring it at once, the second must see the first.
        await Verifications().lock_address(tx, given.channel, given.address)
        await notifying.endpoints.retire_address(tx, given.channel, given.address, "moved")
    of_profile = await _is_of_profile(tx, user, given, call)
    is_known = given.channel == "push" or of_profile
    if await _must_be_proved(tx, notifying, given, of_profile=of_profile):
        is_known = False
        await notifying.endpoints.doubt(tx, user, given.channel, given.address)
    endpoint = NewEndpoint(
        id=uuid7(),
        user_id=user,
        state="active" if is_known else "pending",
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


async def _must_be_proved(
    tx: Connection, notifying: Notifying, given: EndpointGiven, *, of_profile: bool
) -> bool:
    """Whether only who reads mails there may undo that everything was refused.

    What bounced or was reported is disproved by reading; of a profile's address the hub has only been told.
    """
    if given.channel != "email":
        return False
    if EVERY_TOPIC not in await notifying.consents.refused(tx, given.channel, given.address):
        return False
    return of_profile or await notifying.consents.is_earned(tx, given.channel, given.address)


async def _consent(tx: Connection, notifying: Notifying, made: StoredEndpoint) -> None:
    """Who brings an address that is theirs wants to be written to there, whatever was refused before.

    SMS is left out: whoever said STOP to a carrier can only say START to it.
    """
    if made.channel != "sms" and await notifying.consents.refused(tx, made.channel, made.address):
        scope = Scope(made.channel, made.address)
        await notifying.consents.start(tx, scope, source="settings", user=made.user_id)


async def remove_endpoint(call: Call[None, None]) -> web.Response:
    endpoints, user, key = call.gateway.notifying.endpoints, call.principal.id, call.path["id"]
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        if await endpoints.retire(tx, user, key, REMOVED) is not None:
            await reschedule(tx, user, call.gateway.clock)
        elif not await endpoints.dismiss(tx, user, key):
            raise unknown_endpoint()
    return web.Response(status=204, headers={"Cache-Control": "no-store"})


def _checked(given: EndpointGiven) -> EndpointGiven:
    """Refuse what does not fit its channel; answers it as it is kept."""
    if given.channel != "push" and given.kind is not None:
        raise invalid([("kind", "only a push endpoint has one")])
    try:
        address = ADDRESSES[given.channel].validate_python(given.address)
    except ValidationError as error:
        raise invalid([("address", in_words(error.errors(include_url=False)[0]))]) from None
    if given.channel != "push":
        return given.model_copy(update={"address": address})
    if SUBSCRIPTION.match(address):
        said = "must be a token of FCM, and not a browser's own subscription: ask the FCM library for one"
        raise invalid([("address", said)])
    return given.model_copy(update={"address": address, "kind": given.kind or "token"})


def _check_room(given: EndpointGiven, present: Sequence[StoredEndpoint]) -> None:
    used = {one.address for one in present if one.channel == given.channel and one.state != "retired"}
    most = MOST[given.channel]
    if len(used - {given.address}) >= most:
        raise conflict(f"you have {most} endpoints of this channel already; remove one first")


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=list_endpoints,
        summary="List my endpoints",
        tag="me",
        scopes=("user",),
        query=EndpointsWanted,
        replies={200: Reply(description="The oldest first", model=EndpointPage)},
    ),
    Route(
        method="POST",
        path=PATH,
        handler=add_endpoint,
        summary="Add an endpoint",
        description="A push endpoint is active at once; a phone number or e-mail address is pending until it"
        " is verified, but for those of the profile: they are active at once. A code is sent to the number"
        " (six digits, for ten minutes), a link to the mail address (for a day); whoever has asked for too"
        " many is told in `verification` when the next may be asked for. An address brought again"
        " keeps its id, and is written to again; a mail address of the profile that refuses everything, and"
        " one that mails came back from or were reported by, when its link was followed. What you removed"
        " only you can bring again, not the platform.",
        tag="me",
        scopes=("user",),
        body=JsonBody(EndpointGiven),
        replies={201: Reply(description="The endpoint", model=EndpointShown)},
        problems=(409,),
    ),
    Route(
        method="PATCH",
        path=f"{PATH}/{{id}}",
        handler=rename_endpoint,
        summary="Rename an endpoint",
        tag="me",
        scopes=("user",),
        path_types={"id": endpoint_id},
        body=JsonBody(EndpointChanges, MERGE_PATCH, JSON),
        replies={200: Reply(description="The endpoint", model=EndpointShown)},
        problems=(404,),
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
