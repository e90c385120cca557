"""Owns the way in for facts: POST /v1/events, one or a batch, all or nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from bus.outbox import Accepted, EventConflictError, Submission, needs_transaction
from bus.telemetry import ACCEPTED
from gateways.http.body import JSON, parse_json, read_bytes
from gateways.http.route import Call, Header, Reply, Route, answer
from gateways.problems import ProblemError, conflict, invalid
from schemas.db import Connection
from schemas.events.registry import REGISTRY, InvalidEventError
from schemas.events.wire import MAX_ERRORS
from schemas.store.idempotency import IdempotencyKeys, KeyReusedError

ONE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
KEY_HEADER = "Idempotency-Key"
MAX_KEY = 255
ACQUIRE_S = 10.0  # when the database hangs, requests fail instead of piling up behind each other

idempotency = IdempotencyKeys()


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: the events, whether as a list, and a hash of the whole."""

    events: Sequence[Any]
    as_list: bool
    body_hash: bytes

    def path(self, index: int, member: str) -> str:
        """Where a member of one event is in the body."""
        prefix = f"[{index}]" if self.as_list else ""
        return f"{prefix}.{member}" if prefix and member else prefix or member


class AcceptedEvent(BaseModel):
    """What became of one event: new, or known before and not logged again."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    duplicate: bool


class AcceptedEvents(BaseModel):
    """What became of the events, in the order they were sent."""

    model_config = ConfigDict(frozen=True)

    accepted: list[AcceptedEvent] = Field(
        examples=[[{"id": "0199c1de-7c00-7000-8000-000000000001", "duplicate": False}]]
    )


class EventsBody:
    """One event or a list of them; which one must fit the content type."""

    model: type[BaseModel] | None = None

    async def read(self, request: web.Request) -> Sent:
        body = await read_bytes(request, (JSON, ONE, BATCH))
        value = parse_json(body)
        as_list = isinstance(value, list)
        if as_list and request.content_type == ONE:
            raise invalid([("", f"must be one event; a list goes as {BATCH}")])
        if not as_list and request.content_type == BATCH:
            raise invalid([("", f"must be a list of events; a single one goes as {ONE}")])
        events = value if as_list else [value]
        if not events:
            raise invalid([("", "must have at least one event")])
        return Sent(events, as_list, hashlib.sha256(body).digest())

    def document(self, _reference: Mapping[str, Any]) -> dict[str, Any]:
        one = {"$ref": "#/components/schemas/Event"}
        batch = {"$ref": "#/components/schemas/Events"}
        return {
            "required": True,
            "content": {
                JSON: {"schema": {"anyOf": [one, batch]}, "examples": {"one": {"value": EXAMPLE}}},
                ONE: {"schema": one, "examples": {"one": {"value": EXAMPLE}}},
                BATCH: {"schema": batch, "examples": {"batch": {"value": [EXAMPLE]}}},
            },
        }


EXAMPLE = {
    "type": "content.liked",
    "actor": "bob",
    "data": {"content_id": "c1", "author": "ann"},
}


async def publish(call: Call[None, Sent]) -> web.Response:
    """Accept events; the answer is given only when they are committed."""
    sent, gateway = call.body, call.gateway
    key = _idempotency_key(call.request)
    submissions = _submissions(sent, call.principal.id, gateway.config.limits.batch)
    before: Mapping[str, Any] | None = None
    try:
        async with gateway.pool.acquire(timeout=ACQUIRE_S) as tx, _transaction(tx, key, submissions):
            if key is not None:
                before = await idempotency.claim(tx, call.principal.id, key, sent.body_hash)
            response = before or _response(await gateway.outbox.accept(tx, submissions))
            if key is not None and before is None:
                await idempotency.store(tx, call.principal.id, key, response)
    except EventConflictError as error:
        raise _conflict(sent, error) from None
    except KeyReusedError:
        raise invalid([(KEY_HEADER, "was used for another body within 24 hours; take a new key")]) from None
    if before is None:
        gateway.outbox.wake()
        _count(submissions, response)
    return answer(response, 202)


def _transaction(
    tx: Connection, key: str | None, submissions: Sequence[Submission]
) -> AbstractAsyncContextManager[object]:
    """Begin one where there is more than one statement; two round trips less are worth it elsewhere."""
    return tx.transaction() if key is not None or needs_transaction(submissions) else nullcontext()


def _idempotency_key(request: web.Request) -> str | None:
    given = request.headers.getall(KEY_HEADER, [])
    if not given:
        return None
    key = given[0]
    if len(given) > 1 or not 1 <= len(key) <= MAX_KEY or not (key.isascii() and key.isprintable()):
        raise invalid([(KEY_HEADER, f"must be one text of 1 to {MAX_KEY} printable ASCII characters")])
    return key


def _submissions(sent: Sent, source: str, at_most: int) -> list[Submission]:
    if len(sent.events) > at_most:
        raise invalid([("", f"must have at most {at_most} events; send the rest in another request")])
    submissions: list[Submission] = []
    errors: list[tuple[str, str]] = []
    for index, wire in enumerate(sent.events):
        try:
            event = REGISTRY.parse(wire, source_default=source)
        except InvalidEventError as error:
            errors += [(sent.path(index, one.path), one.message) for one in error.errors]
            if len(errors) >= MAX_ERRORS:
                break
            continue
        if event.push_only:
            errors.append((sent.path(index, "type"), f"{event.name} is made by the hub itself"))
        submissions.append(Submission(event, wire))
    if errors:
        raise invalid(errors)
    return submissions


def _response(accepted: Sequence[Accepted]) -> dict[str, Any]:
    return {"accepted": [{"id": str(one.id), "duplicate": one.duplicate} for one in accepted]}


def _conflict(sent: Sent, error: EventConflictError) -> ProblemError:
    return conflict(str(error), [(sent.path(error.index, error.member), f"differs from event {error.id}")])


def _count(submissions: Sequence[Submission], response: Mapping[str, Any]) -> None:
    for submission, accepted in zip(submissions, response["accepted"], strict=True):
        if not accepted["duplicate"]:
            ACCEPTED.labels(submission.event.name).inc()


ROUTES = (
    Route(
        method="POST",
        path="/v1/events",
        handler=publish,
        summary="Publish one event or a batch",
        description=(
            "CloudEvents 1.0. A batch is all or nothing; 202 means committed. An `id` that was accepted "
            "before is answered with `duplicate: true`, or 409 if a member you sent differs."
        ),
        tag="events",
        scopes=("publish",),
        publishes=True,
        body=EventsBody(),
        headers={
            KEY_HEADER: Header(
                description="the same key within 24 h gets the same answer, and nothing is published twice",
                schema={"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[ -~]+$"},
            )
        },
        replies={202: Reply(description="Accepted: committed and on its way", model=AcceptedEvents)},
        problems=(409,),
    ),
)
