"""Owns what is true: the log, in order, with the rooms of each event and when it was first sent."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, NamedTuple

Rooms = Mapping[str, tuple[str, ...]]
"""The rooms of an event by namespace."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as its publisher knows it."""

    id: str
    rooms: Rooms
    at: float
    """When it was sent for the first time, in milliseconds since 1970."""


@dataclass(slots=True)
class _Room:
    seqs: list[int]
    sent: list[float]
    latest: list[float]
    """The latest sending up to here: what ascends can be searched."""
    logged: list[float]
    """When each came into the log, which ascends by itself."""


class Entry(NamedTuple):
    """An entry of the log."""

    seq: int
    event: str
    at: float
    """When it came into the log, in milliseconds since 1970."""


class Truth:
    """The log and the events published; what does not fit together is among the `faults`."""

    def __init__(self, log: Iterable[Entry], sent: Iterable[Sent]) -> None:
        published = {one.id: one for one in sent}
        self.faults: list[str] = []
        self.events: dict[int, Sent] = {}
        self.logged: dict[int | None, float] = {}
        """When each of these came into the log, in milliseconds since 1970."""
        relayed: dict[str, int] = {}
        for seq, event, at in log:
            if event not in published:
                self.faults.append(f"entry {seq} is an event that nobody published: {event}")
            elif event in relayed:
                self.faults.append(f"event {event} is in the log twice: as {relayed[event]} and as {seq}")
            else:
                relayed[event] = seq
                self.events[seq] = published[event]
                self.logged[seq] = at
        self.faults += [
            f"event {event} was accepted, and is not in the log" for event in published.keys() - relayed
        ]
        self._rooms = self._by_room()

    def _by_room(self) -> dict[tuple[str, str], _Room]:
        found: dict[tuple[str, str], _Room] = {}
        for seq in sorted(self.events):
            event = self.events[seq]
            for namespace, rooms in event.rooms.items():
                for name in rooms:
                    room = found.setdefault((namespace, name), _Room([], [], [], []))
                    room.seqs.append(seq)
                    room.sent.append(event.at)
                    room.logged.append(self.logged[seq])
        for room in found.values():
            room.latest = list(accumulate(room.sent, max))
        return found

    def between(self, namespace: str, room: str, first: int, last: int) -> Sequence[int]:
        """The numbers of a room's events from one to another, both included."""
        seqs = self._seqs(namespace, room)
        return seqs[bisect_left(seqs, first) : bisect_right(seqs, last)]

    def first_sent_after(self, namespace: str, room: str, at: float) -> int | None:
        """The lowest number of a room's events that were first sent after an instant."""
        found = self._rooms.get((namespace, room))
        place = bisect_right(found.latest, at) if found else 0
        return found.seqs[place] if found and place < len(found.seqs) else None

    def last_logged_before(self, namespace: str, room: str, at: float) -> int:
        """The highest number of a room's events that were in the log before an instant, or 0."""
        found = self._rooms.get((namespace, room))
        place = bisect_left(found.logged, at) if found else 0
        return found.seqs[place - 1] if found and place else 0

    def _seqs(self, namespace: str, room: str) -> list[int]:
        found = self._rooms.get((namespace, room))
        return found.seqs if found else []


END: Final = 1 << 62
"""Above every number."""
