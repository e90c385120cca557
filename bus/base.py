"""Owns the words of the bus: entries, targets, and the port that a stream server must fill.

Guarantees, wherever a `Bus` is used:

* A stream is a log of entries with ascending numbers (`seq`). Each entry carries `prev`, the number of
  the entry before it in the same stream; a reader that holds N and sees `prev` ≠ N knows of a gap and
  reads the missing entries from PostgreSQL. Nothing a Bus loses is lost.
* An append names the last entry it builds on. It happens as a whole or not at all, so that a repeat, a
  second writer or a writer back from the dead can neither double an entry nor disturb the order.
* Signals are at most once and carry no number.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import ExplainedError

PUSH = "push"
"""The stream of what sockets get."""

SEPARATOR = b"\0"  # no id of the hub may contain it
CONTROL = b"!"


def events_stream(partition: int) -> str:
    """Name the stream that holds the events of one partition."""
    return f"events:{partition}"


class BusError(ExplainedError):
    """The stream server cannot be reached or refused; the entries are safe in PostgreSQL."""


# Not frozen: a busy gateway makes two of these for every event, and that would double what they cost.


@dataclass(slots=True)
class Entry:
    """One entry of a stream: its number, the number before it, and its fields: names and values in turn."""

    seq: int
    prev: int
    fields: list[bytes]


@dataclass(slots=True)
class Target:
    """Who gets a packet: a namespace and rooms; a socket in several of the rooms gets it once.

    `packet` is the Socket.IO argument list as JSON text: `["content.liked",{…}]`. `name` is how the stream
    names the namespace and the rooms: it is taken apart only where somebody is meant.
    """

    name: bytes
    packet: bytes
    several: tuple[bytes, ...]
    """Where there are several rooms: their places, each once. The name of a single room is its place."""

    @classmethod
    def of(cls, namespace: str, rooms: Iterable[str], packet: bytes) -> "Target":
        return cls.named(SEPARATOR.join(part.encode() for part in (namespace, *rooms)), packet)

    @classmethod
    def named(cls, name: bytes, packet: bytes) -> "Target":
        return cls(name, packet, _places(name) if name.count(SEPARATOR) > 1 else ())

    @property
    def namespace(self) -> str:
        return self.name.partition(SEPARATOR)[0].decode()

    @property
    def rooms(self) -> tuple[str, ...]:
        return tuple(self.name.decode().split("\0")[1:])


def _places(name: bytes) -> tuple[bytes, ...]:
    namespace, *rooms = name.split(SEPARATOR)
    return tuple(namespace + SEPARATOR + room for room in dict.fromkeys(rooms))


def place(namespace: str, room: str) -> bytes:
    """Name one room of a namespace."""
    return f"{namespace}\0{room}".encode()


@dataclass(slots=True)
class PushEntry:
    """What one entry of the push stream asks of a gateway: packets to deliver, or words to obey."""

    seq: int
    prev: int
    targets: tuple[Target, ...] = ()
    controls: tuple[tuple[str, ...], ...] = ()
    accepted: bytes | None = None
    """When the event was accepted, in milliseconds since 1970, as text; None for a push-only entry."""

    @classmethod
    def from_entry(cls, entry: Entry) -> "PushEntry":
        return cls.of(entry.seq, entry.prev, entry.fields)

    @classmethod
    def of(cls, seq: int, prev: int, fields: Sequence[bytes]) -> "PushEntry":
        targets: list[Target] = []
        controls: list[tuple[str, ...]] = []
        accepted = None
        for name, value in zip(fields[::2], fields[1::2], strict=True):
            if name == b"at":
                accepted = value
            elif name == CONTROL:
                controls.append(tuple(value.decode().split("\0")))
            else:
                targets.append(Target.named(name, value))
        return cls(seq, prev, tuple(targets), tuple(controls), accepted)


class Bus(Protocol):
    """A server of streams, signals and short-lived counts. Every method raises BusError, nothing else."""

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        """Append if the stream's last number is `last`; answer the stream's last number afterwards.

        Anything but `entries[-1].seq` means that nothing was appended. An unknown stream is at 0.
        """
        ...

    async def last(self, streams: Sequence[str]) -> list[int]:
        """Answer the last number of each stream; trimming does not lower it."""
        ...

    async def read(self, stream: str, after: int, *, count: int, block_ms: int) -> list[Entry]:
        """Answer up to `count` entries above `after`, waiting up to `block_ms` for the first."""
        ...

    async def read_push(self, after: int, *, count: int, block_ms: int) -> list[PushEntry]:
        """The same of the push stream, as what it asks of a gateway."""
        ...

    async def tail(self, stream: str) -> Entry | None:
        """Answer the last entry that the stream still holds."""
        ...

    async def trim(self, stream: str, upto: int) -> None:
        """Forget entries up to and including `upto`."""
        ...

    async def drop(self, streams: Iterable[str]) -> None:
        """Forget whole streams."""
        ...

    async def signal(self, payload: bytes) -> None:
        """Tell every listener of now."""
        ...

    def signals(self) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Listen; what was told before is not heard."""
        ...

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        """Note a member's count under a name for `ttl_s` seconds; answer the sum of all members."""
        ...

    async def ping(self) -> None:
        """Raise BusError unless the server answers."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...
