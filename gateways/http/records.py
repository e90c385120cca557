"""Owns how events of the log are shown: as CloudEvents with their place in the log."""

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from gateways.http.outcomes import PersonShown, Shown, Told, shown_people, time_of
from schemas.events.base import Audience
from schemas.events.members import rfc3339
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.store.events import Record, Trace


class LoggedEvent(Shown):
    """A CloudEvent with its place in the log; `seq` and `relayed_at` are null until the relay numbered it."""

    specversion: Literal["1.0"]
    id: UUID
    type: str = Field(examples=["content.liked"])
    source: str
    subject: str
    time: AwareDatetime
    actor: str | None = None
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]
    seq: int | None
    accepted_at: AwareDatetime
    relayed_at: AwareDatetime | None


class EventPage(Shown):
    """Some events, and the cursor that continues behind them."""

    items: list[LoggedEvent]
    next: str | None


class GroupStep(Shown):
    """What became of an event in one group."""

    group: str
    state: Literal["handled", "parked", "dead"]
    at: AwareDatetime | None
    attempts: int
    error: str | None


class LiveRoom(Shown):
    """A room whose members saw the event live."""

    namespace: str
    room: str


class EventTrace(Shown):
    """The way of one event as far as it has come."""

    event: dict[str, Any]
    accepted_at: AwareDatetime
    relayed_at: AwareDatetime | None
    seq: int | None
    groups: list[GroupStep]
    live: list[LiveRoom]
    notifications: list[PersonShown] = Field(description="people in the order of their ids")
    notifications_next: str | None = Field(description="the cursor that continues behind them")


def shown(record: Record) -> dict[str, Any]:
    return {**record.wire, "seq": record.seq, **_times(record)}


def shown_trace(trace: Trace, told: Told, more: str | None) -> dict[str, Any]:
    record = trace.record
    return {
        "event": record.wire,
        **_times(record),
        "seq": record.seq,
        "groups": [
            {
                "group": step.group,
                "state": step.state,
                "at": time_of(step.at),
                "attempts": step.attempts,
                "error": step.error,
            }
            for step in trace.groups
        ],
        "live": [{"namespace": one.namespace, "room": one.room} for one in _audience(record)],
        "notifications": shown_people(told),
        "notifications_next": more,
    }


def names(record: Record, user: str) -> bool:
    """Whether an event was caused by a user or names them."""
    try:
        return user in REGISTRY.decode(record.wire).users()
    except (UnknownEventTypeError, InvalidEventError):  # written by a newer hub
        return record.wire.get("actor") == user


def _audience(record: Record) -> list[Audience]:
    try:
        return list(REGISTRY.decode(record.wire).audience())
    except (UnknownEventTypeError, InvalidEventError):  # written by a newer hub, which knows its rooms
        return []


def _times(record: Record) -> dict[str, str | None]:
    return {"accepted_at": rfc3339(record.accepted_at), "relayed_at": time_of(record.relayed_at)}
