"""Owns the description of what sockets say and hear beside events: calls with their answers, and signals."""

from dataclasses import dataclass
from typing import Any

from gateways.http.inbox import NotificationShown
from gateways.sockets.feed import Subscription
from gateways.sockets.live import Stream
from gateways.sockets.notifications import Named, Nothing, Page

ERROR_CODES = [
    "invalid",
    "forbidden",
    "not_found",
    "conflict",
    "rate_limited",
    "insufficient_funds",
    "internal",
]


@dataclass(frozen=True, slots=True)
class SocketCall:
    """A client → server event and the answer it is acknowledged with."""

    namespace: str
    name: str
    summary: str
    payload: dict[str, Any]
    ack: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SocketSignal:
    """A server → client event that is no event of the log."""

    namespace: str
    name: str
    summary: str
    payload: dict[str, Any]


def _object(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _ack(members: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string"}
    error = _object({"code": {"enum": ERROR_CODES}, "message": text}, {"path": text})
    return {
        "oneOf": [
            _object({"ok": {"const": True}, **members}),
            _object({"ok": {"const": False}, "error": error}),
        ]
    }


WANTED = Subscription.model_json_schema()
STREAM = Stream.model_json_schema()
ROOMS = _ack({"rooms": {"type": "array", "items": {"type": "string"}}})
COUNT = {"type": "integer", "minimum": 0}

UNREAD = {"unread": COUNT}
NOTIFICATIONS = {"type": "array", "items": NotificationShown.model_json_schema(mode="serialization")}
LISTED = _ack({"items": NOTIFICATIONS, "next": {"type": ["string", "null"]}})
CHANGED = _ack({"items": NOTIFICATIONS, **UNREAD})
NAMED = Named.model_json_schema()
NOTHING = Nothing.model_json_schema()

CALLS = (
    SocketCall("/feed", "subscribe", "Join rooms of zones, content and proposals", WANTED, ROOMS),
    SocketCall("/feed", "unsubscribe", "Leave them", WANTED, ROOMS),
    SocketCall("/live", "join", "Watch a live stream", STREAM, _ack({"viewers": COUNT})),
    SocketCall("/live", "leave", "Stop watching it", STREAM, _ack({"viewers": COUNT})),
    SocketCall("/notifications", "list", "List my notifications", Page.model_json_schema(), LISTED),
    SocketCall("/notifications", "read", "Mark notifications as read", NAMED, CHANGED),
    SocketCall("/notifications", "read_all", "Mark all as read", NOTHING, _ack({"read": COUNT, **UNREAD})),
    SocketCall("/notifications", "archive", "Put notifications out of the way", NAMED, CHANGED),
    SocketCall("/notifications", "counts", "Count my unread notifications", NOTHING, _ack(UNREAD)),
)

SIGNALS = (
    SocketSignal(
        "/live",
        "live.viewers",
        "How many watch a live stream now",
        _object({"stream_id": {"type": "string"}, "count": COUNT}),
    ),
    SocketSignal(
        "/notifications",
        "notifications.counts",
        "How many notifications are unread, told to all devices after some were read or put away",
        _object(UNREAD),
    ),
    SocketSignal(
        "/notifications",
        "notifications.read_all",
        "Everything that was unread until now is read",
        _object({}),
    ),
)
