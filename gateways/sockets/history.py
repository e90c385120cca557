"""Owns what was sent within the recovery window: what a client that comes back may have missed."""

import time
from collections import deque
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

    __slots__ = ("said", "seq")

    def __init__(self, seq: int, said: Target | bytes | tuple[str, ...]) -> None:
        self.seq = seq
        self.said = said
        """A packet, as bytes once it was framed; or a word with its arguments."""

    def bytes_at_most(self) -> int:
        return len(self.said.packet) + FRAME_BYTES if isinstance(self.said, Target) else len(self.said)

    def frame(self) -> bytes:
        """With its offset; made when the first client needs it."""
        if isinstance(self.said, Target):
            self.said = frames.numbered(self.said.namespace, self.said.packet, self.seq)
        return self.said if isinstance(self.said, bytes) else b""

    def words(self) -> tuple[str, ...]:
        return self.said if isinstance(self.said, tuple) else ()


class _Age(NamedTuple):
    """What was added at one moment: numbers, each with one of its places."""

    at: float
    size: int
    kept: Sequence[tuple[int, bytes]]


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
    _dropped: dict[bytes, int] = field(default_factory=dict)
    _dropped_before: dict[bytes, int] = field(default_factory=dict)
    """The number of the last entry dropped. When the younger one is full, the older one is forgotten."""

    def begin(self, position: int) -> None:
        """Forget everything: the next entry is the one after this number."""
        self._ages.clear()
        self._places.clear()
        self._dropped, self._dropped_before = {}, {}
        self.size = 0
        self.floor = self.head = position

    def add(self, entries: Iterable[PushEntry]) -> None:
        """Keep entries that are delivered now."""
        now, size = self.clock(), 0
        kept: list[tuple[int, bytes]] = []
        for entry in entries:
            seq = self.head = entry.seq
            for target in entry.targets:
                one = Kept(seq, target)
                size += len(target.packet)
                for room in target.places if target.is_wide else (target.name,):
                    kept.append((seq, room))
                    self._put(room, one)
            for words in entry.controls:
                user = place("", words[1] if len(words) > 1 else "")
                kept.append((seq, user))
                self._put(user, Kept(seq, words))
        if kept:
            size += MENTION_BYTES * len(kept)
            self.size += size
            self._ages.append(_Age(now, size, kept))
        self._trim(now)

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
            self._drop(age.kept)
        if len(self._dropped) > self.quiet_places:
            self.floor = max(self._dropped_before.values(), default=self.floor)
            self._dropped, self._dropped_before = {}, self._dropped

    def _drop(self, mentions: Sequence[tuple[int, bytes]]) -> None:
        places, dropped = self._places, self._dropped
        for seq, one in mentions:
            kept = places[one]
            if isinstance(kept, Kept) or len(kept) == 1:
                del places[one]
                self.size -= PLACE_BYTES
            else:
                kept.popleft()
            dropped[one] = seq

    def _dropped_upto(self, one: bytes) -> int:
        """Answer a number above which every entry of a place is here."""
        upto = self._dropped.get(one)
        return self._dropped_before.get(one, self.floor) if upto is None else upto

    def _is_whole(self, one: bytes, after: int) -> bool:
        return self._dropped_upto(one) <= after

    def _of(self, one: bytes) -> Sequence[Kept]:
        kept = self._places.get(one, ())
        return (kept,) if isinstance(kept, Kept) else kept

    def last(self, namespace: str, rooms: Iterable[str]) -> int:
        """Answer a number above which there is no entry for any of the rooms; as low as is known."""
        return max((self._last(place(namespace, room)) for room in rooms), default=0)

    def _last(self, one: bytes) -> int:
        kept = self._of(one)
        return kept[-1].seq if kept else self._dropped_upto(one)

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
        said = [(kept.seq, kept.words()) for kept in self._above(one, after)]
        return said[::-1]

    def _above(self, one: bytes, after: int) -> Iterator[Kept]:
        """The last one first."""
        for kept in reversed(self._of(one)):
            if kept.seq <= after:
                return
            yield kept
