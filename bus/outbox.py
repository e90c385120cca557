"""Owns the one way a fact gets out: committed with the state it speaks of, numbered by the relay after."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from bus.base import Target
from bus.seldom import Seldom
from bus.tasks import spawn
from schemas.db import RETRYABLE, Connection, Pool, Source
from schemas.events.base import Event
from schemas.store import events as store

log = structlog.get_logger(__name__)

CHANNEL: Final = "outbox"
# What an event says; the other members that may be sent speak of its form and are not kept.
CONTENT: Final = frozenset({"id", "type", "source", "subject", "time", "actor", "data"})

# chr(1) parts the namespace and the rooms on the way into an array column: no id may contain it.
PUSH: Final = """
INSERT INTO outbox (target, packet) SELECT string_to_array(g.target, chr(1)), g.packet
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS g (target, packet, n) ORDER BY g.n
"""


class EventConflictError(Exception):
    """An id was used before for an event that differs; the first member that differs is named."""

    def __init__(self, index: int, event_id: UUID, member: str) -> None:
        other = "other" if member in {"data", "content"} else "another"
        super().__init__(f"event {event_id} was accepted before with {other} {member}")
        self.index = index
        self.id = event_id
        self.member = member


@dataclass(frozen=True, slots=True)
class Submission:
    """An event from outside, with exactly the members its sender sent."""

    event: Event
    sent: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a submission: new, or known before and not logged again."""

    id: UUID
    duplicate: bool


def needs_transaction(submissions: Sequence[Submission]) -> bool:
    """Say whether a refusal may have to undo something: only when one of several ids may be known already."""
    return len(submissions) > 1 and any("id" in submission.sent for submission in submissions)


class Outbox:
    """Adds facts to a transaction; call `wake` once it is committed."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._wanted = False
        self._waker: asyncio.Task[None] | None = None
        self._say_unwoken = Seldom(log)

    async def add(self, tx: Connection, *events: Event) -> None:
        """Log our own events and queue them for the relay; an id that is known is left alone."""
        await self.accept(tx, [Submission(event, event.to_wire()) for event in events])

    async def accept(self, source: Source, submissions: Sequence[Submission]) -> list[Accepted]:
        """Log events from outside, each id once; raises EventConflictError, and then nothing is logged.

        The people they name come to exist. Give it a transaction unless `needs_transaction` says that
        one statement is enough.
        """
        first: dict[UUID, store.NewEvent] = {}
        for index, submission in enumerate(submissions):
            new = store.NewEvent(submission.event, _digest(submission.sent))
            before = first.setdefault(submission.event.id, new)
            if before.digest != new.digest:
                _compare(index, submission, before.event.to_wire())
        fresh = await store.insert(source, list(first.values()), _trace_id())
        await self._check_known(source, submissions, first, fresh)
        return _answers(submissions, fresh)

    async def _check_known(
        self,
        source: Source,
        submissions: Sequence[Submission],
        first: Mapping[UUID, store.NewEvent],
        fresh: set[UUID],
    ) -> None:
        """Refuse a known id unless every member that was sent now is what was accepted then."""
        if len(fresh) == len(first):
            return
        known = await store.known(source, [event_id for event_id in first if event_id not in fresh])
        for index, submission in enumerate(submissions):
            row = known.get(submission.event.id)
            if row is None or row["digest"] == _digest(submission.sent):
                continue
            if row["id"] is None:  # retention took the event itself; only the digest can be compared
                raise EventConflictError(index, submission.event.id, "content")
            _compare(index, submission, store.wire(row))

    async def control(self, tx: Connection, *words: str) -> None:
        """Queue words for every gateway, in order with the events around them: a push-only entry."""
        await tx.execute("INSERT INTO outbox (control) VALUES ($1)", list(words))

    async def push(self, tx: Connection, *targets: Target) -> None:
        """Queue packets for sockets, one push-only entry each, in order with the events around them."""
        if targets:
            named = ["\x01".join((target.namespace, *target.rooms)) for target in targets]
            await tx.execute(PUSH, named, [target.packet.decode() for target in targets])

    def wake(self) -> None:
        """Tell the relay that something was committed; calls that come together cost one notification."""
        self._wanted = True
        if self._waker is None or self._waker.done():
            self._waker = spawn(self._notify(), name="outbox wake-up")

    async def _notify(self) -> None:
        while self._wanted:
            self._wanted = False
            try:
                await self._pool.execute(f"NOTIFY {CHANNEL}")
            except RETRYABLE as error:
                self._say_unwoken("the relay was not woken; it looks by itself", error=str(error))


def _content(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The members that count, in the order they were sent; null is the same as absent."""
    return {name: value for name, value in sent.items() if name in CONTENT and value is not None}


def _digest(sent: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(orjson.dumps(_content(sent), option=orjson.OPT_SORT_KEYS)).digest()


def _compare(index: int, submission: Submission, accepted: Mapping[str, Any]) -> None:
    now = submission.event.to_wire()
    for member in _content(submission.sent):
        if now.get(member) != accepted.get(member):
            raise EventConflictError(index, submission.event.id, member)


def _answers(submissions: Sequence[Submission], fresh: set[UUID]) -> list[Accepted]:
    left, answers = set(fresh), []
    for submission in submissions:
        answers.append(Accepted(submission.event.id, submission.event.id not in left))
        left.discard(submission.event.id)
    return answers


def _trace_id() -> str | None:
    found = structlog.contextvars.get_contextvars().get("trace_id")
    return str(found) if found else None
