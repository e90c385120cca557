"""Owns how a history is cut: into lives, each begun afresh, and the stays in rooms within each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from ops.chaos.histories import Answered, Asked, Connected, History, Lost, Moment, Received


@dataclass(slots=True)
class Stay:
    """A client in a room: from here on, until it asks to leave, nothing may be missing.

    Before its last question was sent (`begins`, a place in the life) it may have heard something or nothing,
    because earlier answers were lost; likewise from the first question to leave (`ends`) on.
    """

    room: str
    begins: int
    acknowledged_at: float
    ends: int | None = None


@dataclass
class Life:
    """What lies between two fresh beginnings."""

    moments: Sequence[Moment]
    last: bool
    stays: list[Stay] = field(default_factory=list)
    received: list[tuple[Received, frozenset[str]]] = field(default_factory=list)
    """Each event, and the rooms in which the client may have been then."""
    places: list[int] = field(default_factory=list)
    """The places of these events among the moments."""
    connections: list[tuple[float, float]] = field(default_factory=list)
    """From when until when it was connected without a break; what did not end yet ends in eternity."""

    def __post_init__(self) -> None:
        self.got: set[int | None] = set()
        """The numbers of these events."""
        self.highest: list[int] = []
        """With each of them, the highest number so far."""

    def add(self, place: int, event: Received, possible: frozenset[str]) -> None:
        self.received.append((event, possible))
        self.places.append(place)
        self.got.add(event.seq)
        self.highest.append(max(event.seq or 0, self.highest[-1] if self.highest else 0))


def lives(history: History) -> Iterator[Life]:
    """Cut at each connect that was not recovered; what was asked in one life is forgotten in the next."""
    begins = [
        place
        for place, moment in enumerate(history.moments)
        if isinstance(moment, Connected) and moment.recovered is not True
    ]
    ends = [*begins, len(history.moments)][1:]
    for begin, end in zip(begins, ends, strict=True):
        life = Life(history.moments[begin:end], last=end == len(history.moments))
        _Walk(life, history.own_rooms).walk()
        yield life


class _Walk:
    """Goes through a life once."""

    def __init__(self, life: Life, own_rooms: Sequence[str]) -> None:
        self._life = life
        self._own = own_rooms
        self._possible: frozenset[str] = frozenset(own_rooms)
        self._asked: dict[int, tuple[int, Asked]] = {}
        self._open: dict[str, Stay] = {}

    def walk(self) -> None:
        for place, moment in enumerate(self._life.moments):
            match moment:
                case Connected():
                    self._connect(place, moment)
                case Lost():
                    self._lose(moment)
                case Asked():
                    self._ask(place, moment)
                case Answered(ok=True) if moment.number in self._asked:
                    self._answer(moment, *self._asked[moment.number])
                case Received():
                    self._life.add(place, moment, self._possible)

    def _connect(self, place: int, connected: Connected) -> None:
        self._life.connections.append((connected.at, inf))
        if place == 0:
            for room in self._own:
                self._enter(Stay(room, 0, connected.at))

    def _lose(self, lost: Lost) -> None:
        since, until = self._life.connections[-1]
        if until == inf:  # while it is away, the stock client tells of further losses
            self._life.connections[-1] = (since, lost.at)

    def _enter(self, stay: Stay) -> None:
        if stay.room not in self._open:
            self._open[stay.room] = stay
            self._life.stays.append(stay)

    def _ask(self, place: int, asked: Asked) -> None:
        self._asked[asked.number] = (place, asked)
        if asked.joins:
            self._possible |= frozenset(asked.rooms)
            return
        for room in asked.rooms:
            if stay := self._open.pop(room, None):
                stay.ends = place

    def _answer(self, answered: Answered, place: int, asked: Asked) -> None:
        if asked.joins:
            for room in asked.rooms:
                self._enter(Stay(room, place, answered.at))
        else:
            self._possible -= frozenset(asked.rooms)
