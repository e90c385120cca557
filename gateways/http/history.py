"""Owns a person's own history: what reached them, what did not, and why."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateways.gateway import Gateway
from gateways.http import outcomes
from gateways.http.cursors import Cursor, cursor_of
from gateways.http.outcomes import Shown, Status, Told
from gateways.http.route import Call, Reply, Route, answer
from gateways.masking import masked
from routing.catalog import CATALOG, said
from routing.members import ChannelKind
from schemas.events.base import Event
from schemas.events.members import rfc3339
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.store import events as log
from schemas.store.decisions import StoredDecision
from schemas.store.deliveries import Delivery

Outcome = Literal["reached", "waiting", "not", "unknown"]

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
    titles = await _titles(gateway, items)
    more = cursor_of(items[-1].at, items[-1].event_id) if len(found) > limit else None
    return answer({"items": [_item(one, told, titles) for one in items], "next": more})


def _item(one: StoredDecision, told: Told, titles: Mapping[UUID, str]) -> dict[str, Any]:
    sent = {each.endpoint_id: each for each in told.deliveries.get((one.event_id, one.user_id), ())}
    ways = [_way(each, told, sent) for each in one.decided]
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


def _way(decided: Mapping[str, Any], told: Told, sent: Mapping[UUID, Delivery]) -> dict[str, Any]:
    """The last word is the delivery's; where there is none, the decision's."""
    chosen = outcomes.shown_decision(decided, told.addresses)
    delivery = sent.get(UUID(decided["endpoint"])) if decided["endpoint"] else None
    shown = {name: chosen[name] for name in ("channel", "endpoint", "address", "reason", "at", "until")}
    if delivery is None:
        return {**shown, "outcome": _of_decision(chosen), "status": None}
    return {
        **shown,
        "address": masked(delivery.channel, delivery.address),
        "outcome": OUTCOMES[delivery.status],
        "reason": delivery.reason or chosen["reason"],
        "status": delivery.status,
        "at": rfc3339(delivery.updated_at),
        "until": rfc3339(delivery.due_at) if delivery.status == "held" else None,
    }


def _of_decision(chosen: Mapping[str, Any]) -> Outcome:
    if chosen["action"] == "drop":
        return "not"
    # The inbox gets a notification with the decision itself; a digest is still to come.
    return "reached" if chosen["channel"] == "in_app" else "waiting"


async def _titles(gateway: Gateway, decisions: Sequence[StoredDecision]) -> dict[UUID, str]:
    """How each event is told by itself; the inbox may have gathered it with others."""
    rows = await log.known(gateway.pool, [one.event_id for one in decisions])
    actors = {one.actor for one in decisions if one.actor}
    names = await gateway.users.names(gateway.pool, actors) if actors else {}
    found = {}
    for one in decisions:
        event = _event(rows.get(one.event_id))
        entries = CATALOG.get(type(event), ()) if event else ()
        entry = next((entry for entry in entries if entry.topic == one.topic), None)
        if event and entry:
            found[one.event_id] = said(event, entry, names).title
    return found


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
