"""Owns how a person's endpoints are shown to them, with how it stands with the proof of each."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateways.http.route import Call
from gateways.problems import ProblemError, not_found
from routing.verification import Standing, VerificationLimits, Verifying
from schemas.db import Connection
from schemas.events.members import rfc3339
from schemas.store.consent import Place
from schemas.store.endpoints import OUT_OF_SIGHT, StoredEndpoint


class VerificationShown(BaseModel):
    """The last code or link that I asked for, and when the next may be."""

    model_config = ConfigDict(frozen=True, title="Verification")

    asked_at: AwareDatetime | None = Field(
        description="null where none was asked for: I have asked too often"
    )
    expires_at: AwareDatetime | None
    tries_left: int = Field(description="at 0 a new code is needed")
    again_at: AwareDatetime = Field(description="when the next may be asked for")


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
    verification: VerificationShown | None = Field(
        description="while it is pending; null where nothing was asked for and a code may be at any time"
    )
    created_at: AwareDatetime
    verified_at: AwareDatetime | None
    used_at: AwareDatetime | None


class EndpointPage(BaseModel):
    """All my endpoints."""

    model_config = ConfigDict(frozen=True)

    items: list[EndpointShown]
    next: str | None
    channels: list[str] = Field(description="what this hub sends on")


def verifying(call: Call[Any, Any]) -> Verifying:
    gateway, limits = call.gateway, call.gateway.config.limits
    return Verifying(
        gateway.clock,
        gateway.notifying.links,
        gateway.notifying.consents,
        VerificationLimits(
            person=limits.codes_per_person,
            address=limits.codes_per_address,
            person_a_day=limits.codes_per_person_a_day,
            address_a_day=limits.codes_per_address_a_day,
        ),
    )


def unknown_endpoint() -> ProblemError:
    return not_found("you have no endpoint of this id in use")


def is_shown(one: StoredEndpoint) -> bool:
    return one.state != "retired" or one.retired_reason not in OUT_OF_SIGHT


def waiting(call: Call[Any, Any], endpoints: Iterable[StoredEndpoint]) -> list[UUID]:
    """Those of which a proof can be asked for."""
    channels = call.gateway.config.channels
    return [one.id for one in endpoints if one.state == "pending" and one.channel in channels]


async def show(tx: Connection, call: Call[Any, Any], one: StoredEndpoint) -> dict[str, Any]:
    refused = await call.gateway.notifying.ledger.refused(tx, [(one.channel, one.address)])
    standing = await verifying(call).standing(tx, one) if waiting(call, [one]) else None
    return shown_endpoint(one, refused, standing)


def shown_endpoint(
    one: StoredEndpoint, refused: Mapping[Place, Collection[str]], standing: Standing | None = None
) -> dict[str, Any]:
    # What was refused on an address, and what comes there, is told to nobody but who has proved it is theirs.
    is_proved = one.state != "pending"
    at = {
        name: rfc3339(moment) if moment and is_proved else None
        for name, moment in (("verified_at", one.verified_at), ("used_at", one.used_at))
    }
    stopped = refused.get((one.channel, one.address), ()) if is_proved else ()
    return {
        "id": str(one.id),
        "channel": one.channel,
        "address": one.address,
        "kind": one.kind,
        "platform": one.platform,
        "name": one.name,
        "state": one.state,
        "retired_reason": one.retired_reason,
        "unsubscribed": sorted(topic or "all" for topic in stopped),
        "verification": None if is_proved else shown_verification(standing),
        "created_at": rfc3339(one.created_at),
        **at,
    }


def shown_verification(standing: Standing | None) -> dict[str, Any] | None:
    if standing is None or (standing.last is None and not standing.waits):
        return None
    last = standing.last
    return {
        "asked_at": rfc3339(last.created_at) if last else None,
        "expires_at": rfc3339(last.expires_at) if last else None,
        "tries_left": standing.tries_left,
        "again_at": rfc3339(standing.again_at),
    }
