"""Owns the right to be forgotten: a person's id and words leave the log, the facts stay countable."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog

from schemas import ids
from schemas.db import Connection, Pool, Row
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.hours import BalanceEvent
from schemas.events.live import BroadcastEvent
from schemas.events.messages import MessageEvent
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.events.users import UserRegistered
from schemas.store import forgetting
from schemas.store.events import COLUMNS, wire

log = structlog.get_logger(__name__)

AT_A_TIME: Final = 500
READ_AT_A_TIME: Final = 5_000
START: Final = (datetime.min.replace(tzinfo=UTC), UUID(int=0))
END: Final = (datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))
ERASED: Final = "[erased]"
# What is left must still be an event of its type: required words are replaced, optional ones left out.
REPLACED: Final = frozenset({"title", "text"})
LEFT_OUT: Final = frozenset({"note", "handle", "url", "reason", "playback_url", "envelope"})
# Whose words an event carries beside its actor's. `author` speaks in content.created alone: elsewhere it
# is the author of what was liked or commented on, and the words are another's.
SPEAKERS: Final[tuple[tuple[type[Event], str], ...]] = (
    (MessageEvent, "sender"),
    (BroadcastEvent, "host"),
    (ContentCreated, "author"),
    (BalanceEvent, "user"),
    (UserRegistered, "user"),
)

Place = tuple[datetime, UUID]
"""Where an event is in the order of acceptance."""

FIND: Final = f"""
SELECT {COLUMNS}
FROM event_people p JOIN events e ON e.id = p.event_id AND e.accepted_at = p.accepted_at
WHERE p.user_id = $1 AND ($2::uuid IS NULL OR (p.accepted_at, p.event_id) > ($3, $2))
ORDER BY p.accepted_at, p.event_id LIMIT $4 FOR UPDATE OF e
"""
# Nobody lists events by their source, so there is no index: the log is read in steps, once.
STEP: Final = """
SELECT accepted_at, id FROM events WHERE (accepted_at, id) > ($1, $2) ORDER BY accepted_at, id
OFFSET $3 - 1 LIMIT 1
"""
FIND_SENT: Final = f"""
SELECT {COLUMNS} FROM events e
WHERE (e.accepted_at, e.id) > ($2, $3) AND (e.accepted_at, e.id) <= ($4, $5) AND e.source = $1
  AND NOT EXISTS (SELECT 1 FROM event_people p
                  WHERE p.user_id = $1 AND p.accepted_at = e.accepted_at AND p.event_id = e.id)
ORDER BY e.accepted_at, e.id FOR UPDATE
"""
FORGET: Final = """
DELETE FROM event_people WHERE user_id = $1
AND (accepted_at, event_id) IN (SELECT * FROM unnest($2::timestamptz[], $3::uuid[]))
"""
REWRITE: Final = """
UPDATE events SET subject = $3, actor = $4, source = $5, data = $6 WHERE accepted_at = $1 AND id = $2
"""
# What was sent held the person's id; whoever knows the rest could try ids until the digest fits.
FORGET_DIGEST: Final = "UPDATE event_ids SET digest = '' WHERE id = ANY($1)"
REWRITE_NUMBERED: Final = """
UPDATE relay_log r SET subject = n.subject FROM unnest($1::uuid[], $2::text[]) AS n (event_id, subject)
WHERE r.event_id = n.event_id AND r.subject <> n.subject
"""
# What the relay numbered while its event was being rewritten still has the subject from before.
REWRITE_LATE: Final = """
UPDATE relay_log r SET subject = e.subject FROM events e
WHERE r.subject = $1 AND e.id = r.event_id AND e.accepted_at = r.accepted_at AND e.subject <> r.subject
"""
# The relay's log repeats the subject; an error may quote the event that caused it.
REWRITE_PARKED: Final = f"""
WITH logged AS (
    UPDATE relay_log r SET subject = n.subject FROM unnest($1::uuid[], $2::text[]) AS n (event_id, subject)
    WHERE r.event_id = n.event_id RETURNING r.seq, r.subject
)
UPDATE parked k SET subject = l.subject, error = CASE WHEN k.error IS NOT NULL THEN '{ERASED}' END
FROM logged l WHERE k.seq = l.seq
"""


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many events were rewritten, and how many had to be left because this version cannot read them."""

    rewritten: int
    left: int


async def erase_user(pool: Pool, user: str) -> Erasure:
    """Rewrite the events that a user sent, caused or is named by, and forget the person. May be repeated.

    What notifications hold of the user goes, too. Words for the gateways that name the user are not
    touched: maintenance forgets them within a day.
    """
    stands_for = f"{ids.ERASED}{secrets.token_hex(8)}"  # random: a hash of the id could be guessed
    sent = await _sent(pool, user, stands_for)
    rewritten = sent.rewritten
    while True:  # once more after all: what was accepted meanwhile may name the user, too
        await forgetting.untell(pool, user, stands_for)
        found = await _pass(pool, user, stands_for)
        rewritten += found.rewritten
        if not found.rewritten:
            break
    await forgetting.forget(pool, user)
    async with pool.acquire() as tx, tx.transaction():
        await tx.execute(REWRITE_LATE, f"user:{user}")
        await tx.execute("DELETE FROM idempotency_keys WHERE principal = $1", user)
        await tx.execute("DELETE FROM socket_sessions WHERE user_id = $1", user)
    return Erasure(rewritten, found.left + sent.left)


async def _sent(pool: Pool, user: str, stands_for: str) -> Erasure:
    """Rewrite the events of which the user is the source and nothing else."""
    rewritten, seen, after = 0, 0, START
    while after != END:
        row = await pool.fetchrow(STEP, *after, READ_AT_A_TIME)
        last = _place(row) if row else END
        async with pool.acquire() as tx, tx.transaction():
            rows = await tx.fetch(FIND_SENT, user, *after, *last)
            done = [(row, new) for row in rows if (new := _readable(row, user, stands_for))]
            await _rewrite(tx, user, done)
        seen, rewritten, after = seen + len(rows), rewritten + len(done), last
    return Erasure(rewritten, seen - rewritten)


async def _pass(pool: Pool, user: str, stands_for: str) -> Erasure:
    rewritten, seen, after = 0, 0, None
    while True:
        async with pool.acquire() as tx, tx.transaction():
            rows = await tx.fetch(FIND, user, *((after[1], after[0]) if after else (None, None)), AT_A_TIME)
            if not rows:
                return Erasure(rewritten, seen - rewritten)
            done = [(row, new) for row in rows if (new := _readable(row, user, stands_for))]
            await _rewrite(tx, user, done)
        seen, rewritten = seen + len(rows), rewritten + len(done)
        after = _place(rows[-1])


def _place(row: Row) -> Place:
    return row["accepted_at"], row["id"]


def _readable(row: Row, user: str, stands_for: str) -> dict[str, Any] | None:
    """The event without the person; None when this version does not know what in it is a person."""
    try:
        return without(wire(row), user, stands_for)
    except (UnknownEventTypeError, InvalidEventError) as error:
        log.warning("event not erased", id=str(row["id"]), type=row["type"], error=str(error))
        return None


async def _rewrite(tx: Connection, user: str, done: Sequence[tuple[Row, dict[str, Any]]]) -> None:
    await tx.executemany(
        REWRITE,
        [(*_place(row), new["subject"], new.get("actor"), new["source"], new["data"]) for row, new in done],
    )
    subjects = [row["id"] for row, _ in done], [new["subject"] for _, new in done]
    await tx.execute(FORGET_DIGEST, subjects[0])
    await tx.execute(REWRITE_NUMBERED, *subjects)
    await tx.execute(REWRITE_PARKED, *subjects)
    places = [_place(row) for row, _ in done]
    await tx.execute(FORGET, user, [at for at, _ in places], [event_id for _, event_id in places])


def without(event: dict[str, Any], user: str, stands_for: str) -> dict[str, Any]:
    """Answer the CloudEvents form without the person: the id where ids of people are, the words they spoke.

    Raises UnknownEventTypeError or InvalidEventError when the event cannot be read, before or afterwards.
    """
    model, data = REGISTRY.by_name(event["type"]), event["data"]
    own = user in (event.get("actor"), data.get(_speaker(model)))
    people = {name for name, field in model.data_members.items() if field in model.user_members}
    left = event | {
        "data": {
            name: ERASED if own and name in REPLACED else _renamed(value, user, stands_for, name in people)
            for name, value in data.items()
            if not (own and name in LEFT_OUT)
        }
    }
    for name in {"actor", "source"} & event.keys():
        left[name] = _renamed(event[name], user, stands_for, True)
    if model.subject_kind == "user" and event["subject"] == f"user:{user}":
        left["subject"] = f"user:{stands_for}"
    REGISTRY.decode(left)
    return left


def _speaker(model: type[Event]) -> str:
    return next((member for cls, member in SPEAKERS if issubclass(model, cls)), "")


def _renamed(value: Any, user: str, stands_for: str, is_person: bool) -> Any:
    if not is_person:
        return value
    if isinstance(value, list):
        return [stands_for if one == user else one for one in value]
    return stands_for if value == user else value
