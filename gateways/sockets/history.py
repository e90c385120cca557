"""Owns what was sent within the recovery window: what a client that comes back may have missed."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bus.base import PushEntry, Target, place
from gateways.sockets import frames

MENTION_BYTES: Final = 200
"""What it costs, beside the packet, that an entry is kept for one place."""
PLACE_BYTES: Final = 1000
"""What a place costs that has any entries."""
QUIET_PLACES: Final = 100_000
"""For how many places the last entry that was dropped is known."""
FRAME_BYTES: Final = 50
"""What a frame adds to its packet, at most."""


class TooMuchError(Exception):
    """A client missed more than it may be given."""


class Kept:
    """One packet of one entry, or a word about a user."""

    __slots__ = ("framed", "seq", "target", "words")

    def __init__(self, seq: int, target: Target | None, words: tuple[str, ...] = ()) -> None:
        self.seq = seq
        self.target = target
        self.words = words
        self.framed = b""

    def bytes_at_most(self) -> int:
        return len(self.framed) or (len(self.target.packet) if self.target else 0) + FRAME_BYTES

    def frame(self) -> bytes:
        """With its offset; made when the first client needs it."""
        if self.target is not None:
            self.framed = frames.numbered(self.target.namespace, self.target.packet, self.seq)
            self.target = None
        return self.framed


class _Age(NamedTuple):
    seq: int
    at: float
    size: int
    places: Sequence[bytes]


@dataclass(slots=True)
class History:
    """Bounded by age and by bytes. Whoever needs more than it holds must begin afresh.

    What is dropped leaves its number behind, by place: a room in which nothing happened for longer than
    the window is still known to be complete.
    """

    window_s: float
    max_bytes: int
    quiet_places: int = QUIET_PLACES
    clock: Callable[[], float] = time.monotonic
    floor: int = 0
    """Every entry above this number is here, unless its place is known to have dropped it."""
    head: int = 0
    size: int = 0
    """In bytes, roughly."""
    _ages: deque[_Age] = field(default_factory=deque)
    _places: dict[bytes, Kept | deque[Kept]] = field(default_factory=dict)
    """By room, as `bus.base.place` names it; for words to obey, by user. Most have one entry at a time."""
    _dropped: OrderedDict[bytes, int] = field(default_factory=OrderedDict)
    """The number of the last entry dropped, in ascending order."""

    def begin(self, position: int) -> None:
        """Forget everything: the next entry is the one after this number."""
        self._ages.clear()
        self._places.clear()
        self._dropped.clear()
        self.size = 0
        self.floor = self.head = position

    def add(self, entries: Iterable[PushEntry]) -> None:
        """Keep entries that are delivered now."""
        now = self.clock()
        for entry in entries:
            self._keep(entry, now)
        self._trim(now)

    def _keep(self, entry: PushEntry, now: float) -> None:
        seq, size = entry.seq, 0
        places: Sequence[bytes] = ()
        for target in entry.targets:
            kept, of_target = Kept(seq, target), target.places
            size += len(target.packet)
            for one in of_target:
                self._put(one, kept)
            places = (*places, *of_target) if places else of_target
        for words in entry.controls:
            user = place("", words[1] if len(words) > 1 else "")
            self._put(user, Kept(seq, None, words))
            places = (*places, user)
        self.head = seq
        if places:
            size += MENTION_BYTES * len(places)
            self.size += size
            self._ages.append(_Age(seq, now, size, places))

    def _put(self, one: bytes, kept: Kept) -> None:
        found = self._places.setdefault(one, kept)
        if found is kept:
            self.size += PLACE_BYTES
        elif isinstance(found, Kept):
            self._places[one] = deque((found, kept))
        else:
            found.append(kept)

    def _trim(self, now: float) -> None:
        while self._ages and (self._ages[0].at < now - self.window_s or self.size > self.max_bytes):
            age = self._ages.popleft()
            self.size -= age.size
            for one in age.places:
                self._drop(one, age.seq)
        while len(self._dropped) > self.quiet_places:
            _, self.floor = self._dropped.popitem(last=False)

    def _drop(self, one: bytes, seq: int) -> None:
        kept = self._places[one]
        if isinstance(kept, deque):
            kept.popleft()
        if isinstance(kept, Kept) or not kept:
            del self._places[one]
            self.size -= PLACE_BYTES
        self._dropped[one] = seq
        self._dropped.move_to_end(one)

    def _is_whole(self, one: bytes, after: int) -> bool:
        return self._dropped.get(one, self.floor) <= after

    def _of(self, one: bytes) -> Sequence[Kept]:
        kept = self._places.get(one, ())
        return (kept,) if isinstance(kept, Kept) else kept

    def last(self, namespace: str, rooms: Iterable[str]) -> int:
        """Answer a number above which there is no entry for any of the rooms; as low as is known."""
        return max((self._last(place(namespace, room)) for room in rooms), default=0)

    def _last(self, one: bytes) -> int:
        kept = self._of(one)
        return kept[-1].seq if kept else self._dropped.get(one, self.floor)

    def missed(
        self, namespace: str, rooms: Mapping[str, int], after: int, max_bytes: int
    ) -> list[bytes] | None:
        """Answer the frames owed, in order; None when that cannot be known any more.

        Owed is what is above `after`, and in a room also above the number the room comes with. Raises
        TooMuchError as soon as that is clear: whoever missed a lot must not cost a lot.
        """
        if after > self.head:
            return None
        owed: dict[Kept, None] = {}  # one packet may be for several of the rooms
        size = 0
        for room, since in rooms.items():
            start, one = max(after, since), place(namespace, room)
            if not self._is_whole(one, start):
                return None
            for kept in self._above(one, start):
                if kept not in owed:
                    owed[kept] = None
                    size += kept.bytes_at_most()
                    if size > max_bytes:
                        raise TooMuchError
        in_order = list(owed)[::-1]
        in_order.sort(key=lambda kept: kept.seq)
        return [kept.frame() for kept in in_order]

    def words(self, user: str, after: int) -> list[tuple[int, tuple[str, ...]]] | None:
        """Answer what was said about a user above a number, in order; None when that is not known."""
        one = place("", user)
        if not self._is_whole(one, after):
            return None
        said = [(kept.seq, kept.words) for kept in self._above(one, after)]
        return said[::-1]

    def _above(self, one: bytes, after: int) -> Iterator[Kept]:
        """The last one first."""
        for kept in reversed(self._of(one)):
            if kept.seq <= after:
                return
            yield kept
