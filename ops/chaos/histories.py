"""Owns what clients tell: the moments of one client in one namespace, in the order in which they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

OWN_ROOMS: Final[Mapping[str, tuple[str, ...]]] = {
    "/feed": ("feed",),
    "/notifications": ("user:{me}", "everyone"),
    "/live": (),
}


@dataclass(frozen=True, slots=True)
class Connected:
    """The namespace was entered; `at` is in milliseconds since 1970, as everywhere here."""

    at: float
    recovered: bool | None
    """None: the client was told neither."""
    sid: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection was lost, or given up."""

    at: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server did not let the client in for now."""

    at: float
    code: str


@dataclass(frozen=True, slots=True)
class Received:
    """An event came."""

    at: float
    seq: int | None
    """Its offset."""
    id: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A command to enter or leave rooms was sent."""

    at: float
    number: int
    joins: bool
    rooms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The acknowledgement of a command came."""

    at: float
    number: int
    ok: bool
    code: str | None = None


Moment = Connected | Lost | Refused | Received | Asked | Answered


@dataclass(slots=True)
class History:
    """All of one client in one namespace."""

    client: str
    namespace: str
    moments: list[Moment] = field(default_factory=list)
    wants: frozenset[str] = frozenset()
    """The rooms it is in at the end, beside its own."""
    upgrades: bool = False
    """Whether it begins polling and goes on with a websocket."""

    @property
    def own_rooms(self) -> tuple[str, ...]:
        """The rooms it is in by itself."""
        return tuple(room.format(me=self.client) for room in OWN_ROOMS[self.namespace])

    @property
    def connected(self) -> bool:
        turns = (one for one in reversed(self.moments) if isinstance(one, Connected | Lost))
        return isinstance(next(turns, None), Connected)


def read(kind: str, at: float, more: Sequence[Any]) -> Moment:
    """A moment from what a client told."""
    match kind, list(more):
        case "connect", [recovered, sid]:
            return Connected(at, recovered, str(sid))
        case "disconnect", [reason]:
            return Lost(at, reason)
        case "refused", [code]:
            return Refused(at, code)
        case "event", [offset, event]:
            return Received(
                at, int(offset) if isinstance(offset, str) and offset.isdecimal() else None, event
            )
        case "asked", [number, joins, rooms]:
            return Asked(at, number, joins, tuple(rooms))
        case "answered", [number, ok, code]:
            return Answered(at, number, ok, code)
    raise ValueError(f"a client told what is not known: {kind} {more}")
