"""Owns how decisions and deliveries are shown: with their reasons and attempts, and addresses masked."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateways.gateway import Gateway
from gateways.http.second_decisions import second_decisions
from gateways.masking import masked, without
from routing.members import ChannelKind
from routing.model import Action
from schemas.events.members import rfc3339
from schemas.store.decisions import StoredDecision
from schemas.store.deliveries import Attempt, Delivery
from schemas.store.digests import Carrier

GATHERING: Final = ("email", "telegram")
"""Channels that have digests."""
SPACED: Final = "email_spacing"
"""Why what was on its way to an endpoint may be in a digest instead."""
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
    until: AwareDatetime | None = Field(description="when it is decided about again, or its digest leaves")
    at: AwareDatetime


class AttemptShown(Shown):
    """One line of a delivery's record."""

    at: AwareDatetime
    outcome: str
    detail: str | None


class DeliveryShown(Shown):
    """What became of a notification on its way to one endpoint, alone or in a digest."""

    id: UUID
    digest_id: UUID | None = Field(description="where it went with others")
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
    decisions: list[DecisionShown] = Field(
        description="those on arrival, then what put it off, released or dropped it later, in order of time"
    )
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
    carriers: Mapping[tuple[UUID, str, UUID], Carrier]
    """The digests they went into, by event, user and endpoint."""
    elsewhere: Mapping[tuple[UUID, str], Carrier]
    """Those of endpoints that nothing was decided about: the digest was taken along there."""

    def gathered(self, decision: StoredDecision) -> dict[UUID, Carrier]:
        """The digests that an event went into on its way to a person, by endpoint."""
        ways = {UUID(one["endpoint"]) for one in decision.decided if one["endpoint"]}
        event, user = decision.event_id, decision.user_id
        keys = {way: (event, user, way) for way in ways}
        found = {way: self.carriers[key] for way, key in keys.items() if key in self.carriers}
        if elsewhere := self.elsewhere.get((event, user)):
            gathered = {
                UUID(one["endpoint"])
                for one in decision.decided
                if one["action"] == "digest" and one["endpoint"]
            }
            gathered |= {one.endpoint_id for one in self.deliveries_of(decision) if one.reason == SPACED}
            found |= dict.fromkeys(gathered - found.keys(), elsewhere)
        return found

    def deliveries_of(self, decision: StoredDecision) -> Sequence[Delivery]:
        return self.deliveries.get((decision.event_id, decision.user_id), ())


async def load(gateway: Gateway, decisions: Sequence[StoredDecision], deliveries: Iterable[Delivery]) -> Told:
    """Gather what belongs to some decisions, a statement for each table."""
    notifying, pool = gateway.notifying, gateway.pool
    found: dict[tuple[UUID, str], list[Delivery]] = defaultdict(list)
    for delivery in deliveries:
        if delivery.event_id is not None:
            found[delivery.event_id, delivery.user_id].append(delivery)
    carriers = await _carriers(gateway, decisions)
    if carriers:
        sent = await notifying.digests.deliveries(pool, [one.digest_id for one in carriers.values()])
        for one in carriers.values():
            if one.digest_id in sent:
                found[one.event_id, one.user_id].append(sent[one.digest_id])
    ids = [one.id for theirs in found.values() for one in theirs]
    named = {UUID(one["endpoint"]) for each in decisions for one in each.decided if one["endpoint"]}
    endpoints = await notifying.endpoints.get_many(pool, list(named)) if named else {}
    return Told(
        decisions,
        found,
        await notifying.deliveries.attempts(pool, ids) if ids else {},
        {key: masked(one.channel, one.address) for key, one in endpoints.items()},
        carriers,
        {key[:2]: one for key, one in carriers.items() if key[2] not in named},
    )


async def _carriers(
    gateway: Gateway, decisions: Sequence[StoredDecision]
) -> dict[tuple[UUID, str, UUID], Carrier]:
    """Answer the digests that events went into on their way to people."""
    possible = [one for one in decisions if any(map(_may_be_gathered, one.decided))]
    users, events = {one.user_id for one in possible}, {one.event_id for one in possible}
    if not possible:
        return {}
    since = min(one.at for one in possible)
    return await gateway.notifying.digests.carriers(gateway.pool, [*users], [*events], since)


def _may_be_gathered(decided: Mapping[str, Any]) -> bool:
    """Also what was to be sent: it may have met another mail on its way."""
    return bool(decided["endpoint"]) and decided["channel"] in GATHERING and decided["action"] != "drop"


def shown_people(told: Told) -> list[dict[str, Any]]:
    """Everyone a trace speaks of, also those who got nothing."""
    return [
        {
            "user": one.user_id,
            "notification_id": str(one.notification_id),
            "topic": one.topic,
            "decisions": _shown_decisions(one, told),
            "deliveries": [
                shown_delivery(each, told.attempts.get(each.id, ())) for each in told.deliveries_of(one)
            ],
        }
        for one in told.decisions
    ]


def _shown_decisions(one: StoredDecision, told: Told) -> list[dict[str, Any]]:
    """Whoever takes the last one of an endpoint has the one that counts."""
    gathered = told.gathered(one)
    return [
        *(shown_decision(each, told.addresses, gathered) for each in one.decided),
        *second_decisions(told.deliveries_of(one), told.attempts, gathered),
    ]


def shown_decision(
    decided: Mapping[str, Any], addresses: Mapping[UUID, str], gathered: Mapping[UUID, Carrier]
) -> dict[str, Any]:
    endpoint, until = decided["endpoint"], decided["until"]
    carrier = gathered.get(UUID(endpoint)) if endpoint else None
    if carrier is not None and carrier.state == "open" and decided["action"] == "digest":
        until = rfc3339(carrier.due_at)
    return {
        "channel": decided["channel"],
        "endpoint": endpoint,
        "address": addresses.get(UUID(endpoint)) if endpoint else None,
        "action": decided["action"],
        "reason": decided["reason"],
        "until": until,
        "at": decided["at"],
    }


def shown_delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "digest_id": None if delivery.digest_id is None else str(delivery.digest_id),
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
