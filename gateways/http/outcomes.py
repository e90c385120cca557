"""Owns how decisions and deliveries are shown: with their reasons and attempts, and addresses masked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateways.gateway import Gateway
from gateways.masking import masked, without
from routing.members import ChannelKind
from routing.model import Action
from schemas.events.members import rfc3339
from schemas.store.decisions import StoredDecision
from schemas.store.deliveries import Attempt, Delivery

Status = Literal[
    "queued",
    "held",
    "sending",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "failed",
    "bounced",
    "unknown",
    "dropped",
]
PRIORITIES: Final = ("immediate", "standard", "batch")
"""What the numbers of deliveries mean."""


class Shown(BaseModel):
    """Base of what the documents show; what is sent is built from rows without copying."""

    model_config = ConfigDict(frozen=True)


class DecisionShown(Shown):
    """What was chosen for one endpoint, or for a channel without one."""

    channel: ChannelKind
    endpoint: UUID | None
    address: str | None = Field(description="masked")
    action: Action
    reason: str
    until: AwareDatetime | None
    at: AwareDatetime


class AttemptShown(Shown):
    """One line of a delivery's record."""

    at: AwareDatetime
    outcome: str
    detail: str | None


class DeliveryShown(Shown):
    """What became of a notification on its way to one endpoint."""

    id: UUID
    channel: str
    endpoint: UUID
    address: str = Field(description="masked")
    status: Status
    reason: str | None
    attempts: list[AttemptShown]


class PersonShown(Shown):
    """What was chosen for one person, and what came of it."""

    user: str
    notification_id: UUID
    topic: str
    decisions: list[DecisionShown]
    deliveries: list[DeliveryShown]


@dataclass(frozen=True, slots=True)
class Told:
    """Decisions with what is needed to show them."""

    decisions: Sequence[StoredDecision]
    deliveries: Mapping[tuple[UUID, str], Sequence[Delivery]]
    """By event and user."""
    attempts: Mapping[UUID, Sequence[Attempt]]
    addresses: Mapping[UUID, str]
    """Of endpoints, masked."""


async def load(gateway: Gateway, decisions: Sequence[StoredDecision], deliveries: Iterable[Delivery]) -> Told:
    """Gather what belongs to some decisions, a statement for each table."""
    notifying, pool = gateway.notifying, gateway.pool
    found: dict[tuple[UUID, str], list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        found[delivery.event_id, delivery.user_id].append(delivery)
    ids = [one.id for theirs in found.values() for one in theirs]
    named = {UUID(one["endpoint"]) for each in decisions for one in each.decided if one["endpoint"]}
    endpoints = await notifying.endpoints.get_many(pool, list(named)) if named else {}
    return Told(
        decisions,
        found,
        await notifying.deliveries.attempts(pool, ids) if ids else {},
        {key: masked(one.channel, one.address) for key, one in endpoints.items()},
    )


def shown_people(told: Told) -> list[dict[str, Any]]:
    """Everyone a trace speaks of, also those who got nothing."""
    return [
        {
            "user": one.user_id,
            "notification_id": str(one.notification_id),
            "topic": one.topic,
            "decisions": [shown_decision(each, told.addresses) for each in one.decided],
            "deliveries": [
                shown_delivery(each, told.attempts.get(each.id, ()))
                for each in told.deliveries.get((one.event_id, one.user_id), ())
            ],
        }
        for one in told.decisions
    ]


def shown_decision(decided: Mapping[str, Any], addresses: Mapping[UUID, str]) -> dict[str, Any]:
    endpoint = decided["endpoint"]
    return {
        "channel": decided["channel"],
        "endpoint": endpoint,
        "address": addresses.get(UUID(endpoint)) if endpoint else None,
        "action": decided["action"],
        "reason": decided["reason"],
        "until": decided["until"],
        "at": decided["at"],
    }


def shown_delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "channel": delivery.channel,
        "endpoint": str(delivery.endpoint_id),
        "address": masked(delivery.channel, delivery.address),
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": [
            {
                "at": rfc3339(one.at),
                "outcome": one.outcome,
                "detail": without(delivery.address, delivery.channel, one.detail),
            }
            for one in attempts
        ],
    }


def time_of(at: datetime | None) -> str | None:
    return rfc3339(at) if at is not None else None
