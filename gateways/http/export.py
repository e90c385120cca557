"""Owns the export: everything the hub holds about a person, as one file, written page by page."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict

from gateways.gateway import Gateway
from gateways.http import outcomes, records
from gateways.http.body import JSON
from gateways.http.endpoint_shown import EndpointShown, shown_endpoint
from gateways.http.inbox import NotificationShown
from gateways.http.outcomes import DecisionShown, DeliveryShown
from gateways.http.people import UserShown, shown_user
from gateways.http.route import Call, Reply, Route
from schemas.events.members import rfc3339
from schemas.store import held

PAGE = 200
STATES: Final = ("unread", "read", "archived")

Pages = AsyncIterator[Sequence[Any]]


class ConsentShown(BaseModel):
    """What was said, or happened, about sending to one of my addresses."""

    model_config = ConfigDict(frozen=True)

    channel: str
    address: str
    topic: str
    allowed: bool
    source: str
    detail: str | None
    at: AwareDatetime


class ToldShown(BaseModel):
    """What was chosen for me upon an event, and what came of it."""

    model_config = ConfigDict(frozen=True)

    event_id: UUID
    notification_id: UUID
    topic: str
    at: AwareDatetime
    decisions: list[DecisionShown]
    deliveries: list[DeliveryShown]


class ProofAsked(BaseModel):
    """A code or link that I asked for to prove an address."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    endpoint: UUID
    channel: str
    address: str
    created_at: AwareDatetime
    expires_at: AwareDatetime
    tries: int
    used_at: AwareDatetime | None


class TelegramLinkMade(BaseModel):
    """A link by which I could tell the bot who I am."""

    model_config = ConfigDict(frozen=True)

    created_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None


class DigestHeld(BaseModel):
    """What was gathered for me."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    channel: str
    endpoint: UUID
    kind: str
    state: str
    due_at: AwareDatetime
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None


class DigestItemHeld(BaseModel):
    """An event that was gathered for me."""

    model_config = ConfigDict(frozen=True)

    digest_id: UUID
    event_id: UUID
    topic: str
    at: AwareDatetime
    left_out: str | None


class SentBeside(BaseModel):
    """A digest or a code on its way to me: what is of an event stands in the history."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    channel: str
    address: str
    topic: str
    status: str
    digest_id: UUID | None
    verification: UUID | None
    created_at: AwareDatetime
    sent_at: AwareDatetime | None


class ToldTheBot(BaseModel):
    """What I said to the Telegram bot, as Telegram told it."""

    model_config = ConfigDict(frozen=True)

    received_at: AwareDatetime
    body: dict[str, Any]


class Export(BaseModel):
    """Everything the hub holds about a person."""

    model_config = ConfigDict(frozen=True)

    exported_at: str
    profile: UserShown
    preferences: dict[str, Any]
    endpoints: list[EndpointShown]
    consent: list[ConsentShown]
    events: list[records.LoggedEvent]
    notifications: list[NotificationShown]
    history: list[ToldShown]
    digests: list[DigestHeld]
    digest_items: list[DigestItemHeld]
    deliveries: list[SentBeside]
    verifications: list[ProofAsked]
    telegram_links: list[TelegramLinkMade]
    telegram_updates: list[ToldTheBot]


HELD: Final[Mapping[str, tuple[str, type[BaseModel]]]] = {
    "digests": (held.DIGESTS, DigestHeld),
    "digest_items": (held.DIGEST_ITEMS, DigestItemHeld),
    "deliveries": (held.DELIVERIES, SentBeside),
    "verifications": (held.VERIFICATIONS, ProofAsked),
    "telegram_links": (held.TELEGRAM_LINKS, TelegramLinkMade),
    "telegram_updates": (held.TOLD_THE_BOT, ToldTheBot),
}


async def export_me(call: Call[None, None]) -> web.StreamResponse:
    """Stream the export, so that a long life costs no memory."""
    who, gateway = call.principal, call.gateway
    user = await gateway.users.greet(gateway.pool, who.id, name=who.name, tz=who.tz)
    endpoints = await gateway.notifying.endpoints.of_user(gateway.pool, user.id)
    refused = await gateway.notifying.ledger.refused(
        gateway.pool, {(one.channel, one.address) for one in endpoints}
    )
    head = {
        "exported_at": rfc3339(gateway.clock.now()),
        "profile": shown_user(user),
        "preferences": await gateway.notifying.preferences.get(gateway.pool, user.id),
        "endpoints": [shown_endpoint(one, refused) for one in endpoints],
    }
    response = web.StreamResponse(
        headers={
            "Content-Type": JSON,
            "Content-Disposition": 'attachment; filename="hub-export.json"',
            "Cache-Control": "no-store",
        }
    )
    await response.prepare(call.request)
    await response.write(orjson.dumps(head)[:-1])
    for name, pages in (
        ("consent", _consent(gateway, user.id)),
        ("events", _events(gateway, user.id)),
        ("notifications", _notifications(gateway, user.id)),
        ("history", _history(gateway, user.id)),
        *((name, _held(gateway, user.id, *what)) for name, what in HELD.items()),
    ):
        await _write(response, name, pages)
    await response.write(b"}")
    await response.write_eof()
    return response


async def _write(response: web.StreamResponse, name: str, pages: Pages) -> None:
    await response.write(b',"%b":[' % name.encode())
    separator = b""
    async for page in pages:
        if page:
            await response.write(separator + b",".join(orjson.dumps(one, default=str) for one in page))
            separator = b","
    await response.write(b"]")


async def _consent(gateway: Gateway, user: str) -> Pages:
    before: int | None = None
    while True:
        found = await gateway.notifying.ledger.of_user(gateway.pool, user, before=before, limit=PAGE)
        yield [
            {name: value for name, value in asdict(one).items() if name in ConsentShown.model_fields}
            for one in found
        ]
        if len(found) < PAGE:
            return
        before = found[-1].n


async def _events(gateway: Gateway, user: str) -> Pages:
    after: UUID | None = None
    while True:
        found = await gateway.events.of_user(user, after, PAGE)
        # The statement also finds the id in free text; the event itself knows whether it names the user.
        yield [records.shown(one) for one in found if records.names(one, user)]
        if len(found) < PAGE:
            return
        after = UUID(found[-1].wire["id"])


async def _notifications(gateway: Gateway, user: str) -> Pages:
    before: tuple[datetime, UUID] | None = None
    while True:
        store = gateway.notifying.notifications
        found = await store.page(gateway.pool, user, STATES, before=before, limit=PAGE)
        yield [one.shown() for one in found]
        if len(found) < PAGE:
            return
        before = found[-1].updated_at, found[-1].id


async def _history(gateway: Gateway, user: str) -> Pages:
    before: tuple[datetime, UUID] | None = None
    decisions, deliveries = gateway.notifying.decisions, gateway.notifying.deliveries
    while True:
        found = await decisions.of_user(gateway.pool, user, before=before, limit=PAGE)
        theirs = await deliveries.of_user(gateway.pool, user, [one.event_id for one in found])
        told = await outcomes.load(gateway, found, theirs)
        yield [
            {
                "event_id": str(one.event_id),
                "at": rfc3339(one.at),
                **{name: value for name, value in shown.items() if name != "user"},
            }
            for one, shown in zip(found, outcomes.shown_people(told), strict=True)
        ]
        if len(found) < PAGE:
            return
        before = found[-1].at, found[-1].event_id


async def _held(gateway: Gateway, user: str, statement: str, shown: type[BaseModel]) -> Pages:
    async for found in held.pages(gateway.pool, statement, user, PAGE):
        yield [
            {
                name: rfc3339(value) if isinstance(value, datetime) else value
                for name, value in row.items()
                if name in shown.model_fields
            }
            for row in found
        ]


ROUTES = (
    Route(
        method="GET",
        path="/v1/me/export",
        handler=export_me,
        summary="Export everything the hub holds about me",
        tag="me",
        scopes=("user",),
        replies={200: Reply(description="The export, as a file", model=Export)},
        streams=True,
    ),
)
