"""Owns the description of what sockets say and hear beside events: calls with their answers, and signals."""

from dataclasses import dataclass
from typing import Any

from gateways.sockets.feed import Subscription
from gateways.sockets.live import Stream

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
    """A server → client event that is no fact: at most once, never stored."""

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

CALLS = (
    SocketCall("/feed", "subscribe", "Join rooms of zones, content and proposals", WANTED, ROOMS),
    SocketCall("/feed", "unsubscribe", "Leave them", WANTED, ROOMS),
    SocketCall("/live", "join", "Watch a live stream", STREAM, _ack({"viewers": COUNT})),
    SocketCall("/live", "leave", "Stop watching it", STREAM, _ack({"viewers": COUNT})),
)

SIGNALS = (
    SocketSignal(
        "/live",
        "live.viewers",
        "How many watch a live stream now",
        _object({"stream_id": {"type": "string"}, "count": COUNT}),
    ),
)
