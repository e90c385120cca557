"""Owns a person's own history: what reached them, what did not, and why."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from bus.seldom import Seldom
from gateways.gateway import Gateway
from gateways.http import outcomes
from gateways.http.cursors import Cursor, cursor_of
from gateways.http.outcomes import Shown, Status, Told
from gateways.http.route import Call, Reply, Route, answer
from gateways.http.second_decisions import SENT, was_released
from gateways.masking import masked
from routing.catalog import CATALOG, said
from routing.members import ChannelKind
from routing.people import People
from schemas.events.base import Event
from schemas.events.members import rfc3339
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.store import events as log
from schemas.store.decisions import StoredDecision
from schemas.store.deliveries import Attempt, Delivery
from schemas.store.digests import Carrier

Outcome = Literal["reached", "waiting", "not", "unknown"]

_say_untold: Final = Seldom(structlog.get_logger(__name__), level=logging.ERROR)

OUTCOMES: Final[Mapping[str, Outcome]] = {
    "queued": "waiting",
    "held": "waiting",
    "sending": "waiting",
    "sent": "reached",
    "delivered": "reached",
    "opened": "reached",
    "clicked": "reached",
    "failed": "not",
    "bounced": "not",
    "dropped": "not",
    "unknown": "unknown",
}

GATHERED: Final = {"scheduled": "digest", "spacing": "email_spacing"}
"""Why something waits in a digest."""


class WayShown(Shown):
    """One way to me, and whether a notification took it."""

    channel: ChannelKind
    endpoint: UUID | None
    address: str | None = Field(description="masked")
    outcome: Outcome
    reason: str = Field(description="why it was chosen, put off or left out, or why it failed")
    status: Status | None = Field(description="of the delivery, where there is one")
    at: AwareDatetime
    until: AwareDatetime | None


class HistoryItem(Shown):
    """What I was told, or not told, of one event."""

    event_id: UUID
    notification_id: UUID
    topic: str
    title: str | None = Field(description="null when the event is no longer kept")
    actor: str | None
    at: AwareDatetime
    reached: bool
    ways: list[WayShown]


class HistoryPage(Shown):
    """A part of my history, and the cursor that continues behind it."""

    items: list[HistoryItem]
    next: str | None


class HistoryFilter(BaseModel):
    """Which part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(50, ge=1, le=200)
    cursor: Cursor | None = Field(None, description="`next` of the page before")


async def get_history(call: Call[HistoryFilter, None]) -> web.Response:
    gateway, user, limit = call.gateway, call.principal.id, call.query.limit
    decisions, deliveries = gateway.notifying.decisions, gateway.notifying.deliveries
    found = await decisions.of_user(gateway.pool, user, before=call.query.cursor, limit=limit + 1)
    items = found[:limit]
    theirs = await deliveries.of_user(gateway.pool, user, [one.event_id for one in items])
    told = await outcomes.load(gateway, items, theirs)
    titles = await _titles(gateway, user, items)
    more = cursor_of(items[-1].at, items[-1].event_id) if len(found) > limit else None
    return answer({"items": [_item(one, told, titles) for one in items], "next": more})


def _item(one: StoredDecision, told: Told, titles: Mapping[UUID, str]) -> dict[str, Any]:
    sent = {each.endpoint_id: each for each in told.deliveries_of(one)}
    gathered = told.gathered(one)
    ways = [_way(each, told, sent, gathered) for each in one.decided]
    return {
        "event_id": str(one.event_id),
        "notification_id": str(one.notification_id),
        "topic": one.topic,
        "title": titles.get(one.event_id),
        "actor": one.actor,
        "at": rfc3339(one.at),
        "reached": any(way["outcome"] == "reached" for way in ways),
        "ways": ways,
    }


def _way(
    decided: Mapping[str, Any],
    told: Told,
    sent: Mapping[UUID, Delivery],
    gathered: Mapping[UUID, Carrier],
) -> dict[str, Any]:
    """The last word is the delivery's, of a digest where it went into one; else the decision's."""
    chosen = outcomes.shown_decision(decided, told.addresses, gathered)
    endpoint = UUID(decided["endpoint"]) if decided["endpoint"] else None
    carrier = gathered.get(endpoint) if endpoint else None
    delivery = sent.get(carrier.endpoint_id if carrier else endpoint) if endpoint else None
    shown = {name: chosen[name] for name in ("channel", "endpoint", "address", "reason", "at", "until")}
    if carrier is not None and carrier.left_out is not None:
        return {**shown, "outcome": "not", "reason": carrier.left_out, "status": None, "until": None}
    if carrier is not None and carrier.state == "open":
        waits = {"outcome": "waiting", "reason": GATHERED[carrier.kind], "until": rfc3339(carrier.due_at)}
        return {**shown, **waits, "status": None}
    if delivery is None:
        return {**shown, "outcome": _of_decision(chosen), "status": None}
    return {
        **shown,
        "address": masked(delivery.channel, delivery.address),
        "outcome": OUTCOMES[delivery.status],
        "reason": delivery.reason or _why(chosen["reason"], told.attempts.get(delivery.id, ())),
        "status": delivery.status,
        "at": rfc3339(delivery.updated_at),
        "until": rfc3339(delivery.due_at) if delivery.status == "held" else None,
    }


def _why(chosen: str, lines: Sequence[Attempt]) -> str:
    return SENT if chosen == "quiet_hours" and was_released(lines) else chosen


def _of_decision(chosen: Mapping[str, Any]) -> Outcome:
    if chosen["action"] == "drop":
        return "not"
    # The inbox gets a notification with the decision itself; a digest is still to come.
    return "reached" if chosen["channel"] == "in_app" else "waiting"


async def _titles(gateway: Gateway, user: str, decisions: Sequence[StoredDecision]) -> dict[UUID, str]:
    """How each event is told by itself; the inbox may have gathered it with others."""
    locale, _ = await People().tongue(gateway.pool, user)
    rows = await log.known(gateway.pool, [one.event_id for one in decisions])
    actors = {one.actor for one in decisions if one.actor}
    names = await gateway.users.names(gateway.pool, actors) if actors else {}
    found = {}
    for one in decisions:
        event = _event(rows.get(one.event_id))
        if event and (title := _title(event, one.topic, names, locale)):
            found[one.event_id] = title
    return found


def _title(event: Event, topic: str, names: Mapping[str, str], locale: str) -> str | None:
    """No title tells a time, so the zone does not matter."""
    entry = next((entry for entry in CATALOG.get(type(event), ()) if entry.topic == topic), None)
    try:
        return said(event, entry, names, locale).title if entry else None
    except Exception as error:  # noqa: BLE001  it is said, and the rest of the history is not to blame
        kind = type(error).__name__
        _say_untold("an event of a history cannot be told", event_id=str(event.id), error=kind)
        return None


def _event(row: Any) -> Event | None:
    if row is None or row["id"] is None:
        return None
    try:
        return REGISTRY.decode(log.wire(row))
    except (UnknownEventTypeError, InvalidEventError):  # written by a newer hub
        return None


ROUTES = (
    Route(
        method="GET",
        path="/v1/me/history",
        handler=get_history,
        summary="See what reached me, what did not, and why",
        description="The newest first; one item for each event that could have concerned me.",
        tag="me",
        scopes=("user",),
        query=HistoryFilter,
        replies={200: Reply(description="A page of my history", model=HistoryPage)},
    ),
)
