"""Owns how a row of the relay's log becomes an entry: the same bytes from the relay and from a repair."""

from zlib import crc32

import orjson
import structlog

from bus.base import CONTROL, SEPARATOR, Entry, Target
from schemas.db import Row
from schemas.events.base import Event
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.store.events import wire

log = structlog.get_logger(__name__)


def partition_of(subject: str, partitions: int) -> int:
    """Place a subject: events of one subject share a partition, and so keep their order."""
    return crc32(subject.encode()) % partitions


def event_entry(row: Row) -> Entry:
    """Make the entry of an `events:{p}` stream: the CloudEvents JSON. Nothing when retention took it."""
    fields = [b"event", orjson.dumps(wire(row))] if row["id"] is not None else []
    return Entry(row["seq"], row["prev"], fields)


def push_entry(row: Row) -> Entry:
    """Make the entry of the push stream: packets rendered once for the whole cluster."""
    return Entry(row["seq"], row["push_prev"], push_fields(row))


def push_fields(row: Row) -> list[bytes]:
    """Render what sockets get of a row; empty when nobody sees it live, and when retention took it."""
    if row["control"] is not None:
        return [CONTROL, SEPARATOR.join(word.encode() for word in row["control"])]
    if row["packet"] is not None:
        namespace, *rooms = row["target"]
        target = Target.of(namespace, rooms, row["packet"].encode())
        return [target.name, target.packet]
    found = targets_of_row(row) if row["id"] is not None else []
    if not found:
        return []
    at = b"%d" % int(row["accepted_at"].timestamp() * 1000)
    return [b"at", at, *(part for target in found for part in (target.name, target.packet))]


def targets_of_row(row: Row) -> list[Target]:
    """Render the packets of an event's row; none for what only a newer version can read.

    Numbering must never stop at an event: whoever handles it parks it, and says so.
    """
    try:
        event = REGISTRY.decode(wire(row))
    except (UnknownEventTypeError, InvalidEventError):
        log.exception("an event cannot be shown live", type=row["type"], id=str(row["id"]))
        return []
    return targets(event)


def targets(event: Event) -> list[Target]:
    """Group an event's audiences: one packet for each namespace and set of hidden members."""
    rooms: dict[tuple[str, frozenset[str]], list[str]] = {}
    for audience in event.audience():
        rooms.setdefault((audience.namespace, audience.hide), []).append(audience.room)
    return [
        Target.of(namespace, dict.fromkeys(names), packet(event.name, event.to_packet(hide)))
        for (namespace, hide), names in rooms.items()
    ]


def packet(name: str, argument: bytes) -> bytes:
    """Make a Socket.IO argument list of an event name and one argument that is JSON already."""
    return b"[" + orjson.dumps(name) + b"," + argument + b"]"
