"""Owns how operators look at deliveries, and give new attempts to those that failed."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    WithJsonSchema,
)

from gateways.http.cursors import WRONG
from gateways.http.outcomes import PRIORITIES, DeliveryShown, Shown, Status, shown_delivery, time_of
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import conflict, not_found
from schemas.events.members import Uuid, rfc3339
from schemas.events.notifications import Topic
from schemas.ids import UserId
from schemas.store.deliveries import Attempt, Delivery, Filter

PATH = "/v1/deliveries"

delivery_id = TypeAdapter[UUID](Uuid)


def _place_of(given: object) -> UUID:
    """The last delivery of the page before; what older versions gave began with its time."""
    try:
        return UUID(hex=str(given).rpartition("-")[2])
    except ValueError:
        raise ValueError(WRONG) from None


DeliveryCursor = Annotated[UUID, PlainValidator(_place_of), WithJsonSchema({"type": "string"})]


class FullDelivery(DeliveryShown):
    """A delivery with all that is known of it."""

    model_config = ConfigDict(title="Delivery")

    user: str
    event_id: UUID | None = Field(description="null of a digest, and of a code that proves an address")
    notification_id: UUID | None
    verification_id: UUID | None
    topic: str = Field(description="a topic of notifications, `digest` or `verification`")
    priority: Literal["immediate", "standard", "batch"]
    due_at: AwareDatetime
    expires_at: AwareDatetime | None
    provider: str | None
    provider_ref: str | None = Field(description="what the provider calls it")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    sent_at: AwareDatetime | None


class DeliveryPage(Shown):
    """Some deliveries, and the cursor that continues behind them."""

    items: list[FullDelivery]
    next: str | None


class DeliveryFilter(BaseModel):
    """Which deliveries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status | None = None
    channel: Literal["push", "sms", "email", "telegram"] | None = None
    topic: Topic | Literal["digest", "verification"] | None = None
    user: UserId | None = Field(None, description="only to this user")
    event: Uuid | None = Field(None, description="only upon this event")
    limit: int = Field(50, ge=1, le=200)
    cursor: DeliveryCursor | None = Field(None, description="`next` of the page before")


async def list_deliveries(call: Call[DeliveryFilter, None]) -> web.Response:
    query, store, pool = call.query, call.gateway.notifying.deliveries, call.gateway.pool
    wanted = Filter(
        status=query.status,
        channel=query.channel,
        topic=query.topic,
        user=query.user,
        event_id=query.event,
    )
    found = await store.page(pool, wanted, before=query.cursor, limit=query.limit + 1)
    items = found[: query.limit]
    attempts = await store.attempts(pool, [one.id for one in items])
    more = items[-1].id.hex if len(found) > query.limit else None
    return answer({"items": [_shown(one, attempts.get(one.id, ())) for one in items], "next": more})


async def get_delivery(call: Call[None, None]) -> web.Response:
    return await _one(call)


async def redrive_delivery(call: Call[None, None]) -> web.Response:
    store, pool, key = call.gateway.notifying.deliveries, call.gateway.pool, call.path["id"]
    if not await store.redrive(pool, [key], call.gateway.clock.now()):
        delivery = await store.get(pool, key)
        if delivery is not None:
            raise conflict(f"only what failed or is unknown can be redriven; this is {delivery.status}")
    return await _one(call)


async def _one(call: Call[None, None]) -> web.Response:
    store, pool, key = call.gateway.notifying.deliveries, call.gateway.pool, call.path["id"]
    delivery = await store.get(pool, key)
    if delivery is None:
        raise not_found("no delivery has this id")
    return answer(_shown(delivery, (await store.attempts(pool, [key])).get(key, ())))


def _shown(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        **shown_delivery(delivery, attempts),
        "user": delivery.user_id,
        "event_id": _text(delivery.event_id),
        "notification_id": _text(delivery.notification_id),
        "verification_id": _text(delivery.verification_id),
        "topic": delivery.topic,
        "priority": PRIORITIES[delivery.priority],
        "due_at": rfc3339(delivery.due_at),
        "expires_at": time_of(delivery.expires_at),
        "provider": delivery.provider,
        "provider_ref": delivery.provider_ref,
        "created_at": rfc3339(delivery.created_at),
        "updated_at": rfc3339(delivery.updated_at),
        "sent_at": time_of(delivery.sent_at),
    }


def _text(key: UUID | None) -> str | None:
    return None if key is None else str(key)


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=list_deliveries,
        summary="List deliveries",
        description="The newest first. Addresses are masked.",
        tag="deliveries",
        scopes=("admin",),
        query=DeliveryFilter,
        replies={200: Reply(description="A page of deliveries", model=DeliveryPage)},
    ),
    Route(
        method="GET",
        path=f"{PATH}/{{id}}",
        handler=get_delivery,
        summary="Get one delivery",
        tag="deliveries",
        scopes=("admin",),
        path_types={"id": delivery_id},
        replies={200: Reply(description="The delivery", model=FullDelivery)},
        problems=(404,),
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/redrive",
        handler=redrive_delivery,
        summary="Give a failed delivery new attempts",
        description="One that is `unknown` may have arrived: then it arrives twice.",
        tag="deliveries",
        scopes=("admin",),
        path_types={"id": delivery_id},
        replies={200: Reply(description="The delivery, queued again", model=FullDelivery)},
        problems=(404, 409),
    ),
)
