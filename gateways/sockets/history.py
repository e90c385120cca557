"""Owns what was sent within the recovery window: what a client that comes back may have missed."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bus.base import PushEntry, Target, place
from gateways.sockets.framing import NUMERAL_BYTES, Framing, content, number, numeral

AGE_BYTES: Final = 200
"""What it costs to add anything."""
TARGET_BYTES: Final = 110
"""What it costs, beside its packet and its name, that a packet or a word is kept."""
MENTION_BYTES: Final = 60
"""What each of its rooms costs, beside its name, where there are several."""
PLACE_BYTES: Final = 90
"""What a place costs that has any entries."""
DEQUE_BYTES: Final = 700
"""What it costs more when it has several."""
QUIET_PLACES: Final = 50_000
"""For how many places the last entry that was dropped is known, at least."""
AT_A_TIME: Final = 64
"""So many entries are dropped together."""


class TooMuchError(Exception):
    """A client missed more than it may be given."""


class _Age(NamedTuple):
    """What was added at one moment."""

    at: float
    size: int
    mentions: int
    upto: int


@dataclass(slots=True)
class History:
    """Bounded by age and by bytes. Whoever needs more than it holds must begin afresh.

    What is dropped leaves its number behind, by place: a room in which nothing happened for longer than
    the window is still known to be complete.

    Of a packet it keeps bytes: its numeral and its text. The search for garbage leaves bytes out. At other
    objects it would look by the hundred thousand at once, and stop every socket meanwhile: it is due when
    enough are new, less those that are gone, and here one goes for each that comes.
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
    _mentions: deque[bytes] = field(default_factory=deque)
    """The places of the packets kept, the oldest first: one for each place of a packet."""
    _places: dict[bytes, bytes | deque[bytes]] = field(default_factory=dict)
    """By room, as `bus.base.place` names it; for words to obey, by user. Most have one entry at a time."""
    _dropped: dict[bytes, bytes] = field(default_factory=dict)
    _dropped_before: dict[bytes, bytes] = field(default_factory=dict)
    """The numeral of the last entry dropped. When the younger one is full, the older one is forgotten."""
    _before_upto: int = 0
    """The highest number in the older one."""
    _framing: Framing = field(default_factory=Framing)

    def begin(self, position: int) -> None:
        """Forget everything: the next entry is the one after this number."""
        self._ages.clear()
        self._mentions.clear()
        self._places.clear()
        self._framing.clear()
        self._dropped, self._dropped_before = {}, {}
        self.size = 0
        self.floor = self.head = self._before_upto = position

    def add(self, entries: Sequence[PushEntry]) -> None:
        """Keep entries that are delivered now."""
        for start in range(0, len(entries), AT_A_TIME):
            self._add(entries[start : start + AT_A_TIME])

    def _add(self, entries: Sequence[PushEntry]) -> None:
        now, size, new_places = self.clock(), AGE_BYTES, 0
        places, order, before = self._places, self._mentions, len(self._mentions)
        for entry in entries:
            stamp = numeral(entry.seq)
            for target in entry.targets if not entry.controls else _with_words(entry):
                name, packet = target.name, stamp + target.packet
                size += TARGET_BYTES + len(packet) + len(name)
                if target.several:
                    order.extend(target.several)
                    size += len(name) + MENTION_BYTES * len(target.several)
                    for one in target.several:
                        self._put(one, packet)
                    continue
                order.append(name)
                if name in places:
                    self._put_beside(name, packet)
                else:
                    places[name] = packet
                    new_places += 1
        self.head = entries[-1].seq
        if mentions := len(order) - before:
            self.size += size + PLACE_BYTES * new_places
            self._ages.append(_Age(now, size, mentions, self.head))
        self._trim(now)

    def _put(self, one: bytes, packet: bytes) -> None:
        if one in self._places:
            self._put_beside(one, packet)
        else:
            self._places[one] = packet
            self.size += PLACE_BYTES

    def _put_beside(self, one: bytes, packet: bytes) -> None:
        found = self._places[one]
        if isinstance(found, bytes):
            self._places[one] = deque((found, packet))
            self.size += DEQUE_BYTES
        else:
            found.append(packet)

    def _trim(self, now: float) -> None:
        while self._ages and (self._ages[0].at < now - self.window_s or self.size > self.max_bytes):
            age = self._ages.popleft()
            self.size -= age.size
            self._drop(age.mentions)
            if len(self._dropped) > self.quiet_places:
                self.floor, self._before_upto = self._before_upto, age.upto
                self._dropped, self._dropped_before = {}, self._dropped

    def _drop(self, mentions: int) -> None:
        places, dropped, order, gone = self._places, self._dropped, self._mentions, 0
        for _ in range(mentions):
            one = order.popleft()
            found = places[one]
            if isinstance(found, bytes):
                dropped[one] = found[:NUMERAL_BYTES]
                del places[one]
                gone += PLACE_BYTES
            else:
                dropped[one] = found.popleft()[:NUMERAL_BYTES]
                if not found:
                    del places[one]
                    gone += PLACE_BYTES + DEQUE_BYTES
        self.size -= gone

    def _dropped_upto(self, one: bytes) -> int:
        """Answer a number above which every entry of a place is here."""
        upto = self._dropped.get(one) or self._dropped_before.get(one)
        return self.floor if upto is None else number(upto)

    def _is_whole(self, one: bytes, after: int) -> bool:
        return self._dropped_upto(one) <= after

    def _of(self, one: bytes) -> Sequence[bytes]:
        found = self._places.get(one, ())
        return (found,) if isinstance(found, bytes) else found

    def last(self, namespace: str, rooms: Iterable[str]) -> int:
        """Answer a number above which there is no entry for any of the rooms; as low as is known."""
        return max((self._last(place(namespace, room)) for room in rooms), default=0)

    def _last(self, one: bytes) -> int:
        found = self._of(one)
        return number(found[-1]) if found else self._dropped_upto(one)

    def missed(
        self, namespace: str, rooms: Mapping[str, int], after: int, max_bytes: int
    ) -> list[bytes] | None:
        """Answer the frames owed, in order; None when that cannot be known any more.

        Owed is what is above `after`, and in a room also above the number the room comes with. Raises
        TooMuchError as soon as that is clear: whoever missed a lot must not cost a lot.
        """
        if after > self.head:
            return None
        owed: dict[int, bytes] = {}  # each once: one packet may be for several of the rooms
        size = 0
        for room, since in rooms.items():
            start, one = max(after, since), place(namespace, room)
            if not self._is_whole(one, start):
                return None
            for packet in self._above(one, start):
                if id(packet) not in owed:
                    owed[id(packet)] = packet
                    size += self._framing.bytes_at_most(packet)
                    if size > max_bytes:
                        raise TooMuchError
        in_order = list(owed.values())[::-1]
        in_order.sort(key=number)
        return [self._framing.frame(namespace, packet) for packet in in_order]

    def words(self, user: str, after: int) -> list[tuple[int, tuple[str, ...]]] | None:
        """Answer what was said about a user above a number, in order; None when that is not known."""
        one = place("", user)
        if not self._is_whole(one, after):
            return None
        said = [(number(one), tuple(content(one).decode().split("\0"))) for one in self._above(one, after)]
        return said[::-1]

    def _above(self, one: bytes, after: int) -> Iterator[bytes]:
        """The last one first."""
        for packet in reversed(self._of(one)):
            if number(packet) <= after:
                return
            yield packet


def _with_words(entry: PushEntry) -> Sequence[Target]:
    """What an entry is about: words are kept like packets, for the user that is their first argument."""
    return [
        *entry.targets,
        *(
            Target(place("", words[1] if len(words) > 1 else ""), "\0".join(words).encode(), ())
            for words in entry.controls
        ),
    ]
