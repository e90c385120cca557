"""Owns the verdict: what each client got, compared with the log. No input, no output."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from math import inf
from typing import Final

from ops.chaos.histories import Connected, History, Received
from ops.chaos.lives import Life, Stay, lives
from ops.chaos.pace import Pace
from ops.chaos.truth import END, Truth

SLACK_MS: Final = 50.0
"""Of one clock, read by two programs, in whole milliseconds by one of them."""
PATIENCE_MS: Final = 15_000.0
"""How much longer than the slowest of the others a client may wait: a stall alone lasts up to 3 s."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    client: str
    namespace: str
    what: str
    seq: int | None = None
    room: str | None = None

    def __str__(self) -> str:
        where = [self.client, self.namespace, *([self.room] if self.room else [])]
        return f"{' '.join(where)}: {self.what}" + (f" (entry {self.seq})" if self.seq is not None else "")


def check(histories: Sequence[History], truth: Truth) -> list[Finding]:
    """Every finding of all clients."""
    pace = Pace(histories, truth)
    return [finding for history in histories for finding in _Check(history, truth, pace).findings()]


class _Check:
    """One client in one namespace."""

    def __init__(self, history: History, truth: Truth, pace: Pace) -> None:
        self._history = history
        self._truth = truth
        self._pace = pace

    def findings(self) -> Iterator[Finding]:
        connects = [one for one in self._history.moments if isinstance(one, Connected)]
        if not connects:
            yield self._finding("never got in")
            return
        yield from self._told(connects)
        for life in lives(self._history):
            yield from self._in_order(life)
            yield from self._wanted(life)
            for stay in life.stays:
                yield from self._complete(life, stay)
        if not self._history.connected:
            yield self._finding("never came back")

    def _told(self, connects: list[Connected]) -> Iterator[Finding]:
        """Whoever came back was recovered, under the same id, or heard that it was not."""
        if connects[0].recovered:
            yield self._finding("was recovered before it had ever been there")
        if any(one.recovered is None for one in connects):
            yield self._finding("was not told whether it was recovered")
        for before, one in pairwise(connects):
            if one.recovered and one.sid != before.sid:
                yield self._finding("was recovered under another id")

    def _in_order(self, life: Life) -> Iterator[Finding]:
        seen: set[int] = set()
        highest = 0
        for event, _ in life.received:
            if event.seq is None:
                yield self._finding(f"got event {event.id} without an offset")
                continue
            if event.seq in seen:
                yield self._finding("got an event twice", event.seq)
            elif event.seq < highest:
                yield self._finding(f"got an event after {highest}", event.seq)
            seen.add(event.seq)
            highest = max(highest, event.seq)

    def _wanted(self, life: Life) -> Iterator[Finding]:
        """Each event is what the log says, for a room in which the client may have been."""
        for event, possible in life.received:
            if event.seq is None:
                continue
            true = self._truth.events.get(event.seq)
            if true is None or true.id != event.id:
                yield self._finding(f"got {event.id}, which is not there in the log", event.seq)
            elif possible.isdisjoint(rooms := true.rooms.get(self._history.namespace, ())):
                yield self._finding("got an event of rooms in which it was not", event.seq, ", ".join(rooms))

    def _complete(self, life: Life, stay: Stay) -> Iterator[Finding]:
        """What came of a room has no gap, and began with what was sent after the answer, if not earlier."""
        begin = bisect_left(life.places, stay.begins)
        end = len(life.places) if stay.ends is None else bisect_left(life.places, stay.ends)
        heard = (self._in_room(event, stay.room) for event, _ in islice(life.received, begin, end))
        first = next((seq for seq in heard if seq), END)
        space, since = self._history.namespace, stay.acknowledged_at + SLACK_MS
        due = self._truth.first_sent_after(space, stay.room, since)
        owed = self._truth.between(
            space, stay.room, min(first, END if due is None else due), self._upto(life, stay, end)
        )
        if missing := [seq for seq in owed if seq not in life.got]:
            last = max((seq for seq in owed if seq in life.got), default=0)
            yield self._finding(_described(missing, first, last), missing[0], stay.room)

    def _in_room(self, event: Received, room: str) -> int:
        """The number of the event if it is for the room, else 0."""
        true = self._truth.events.get(event.seq or 0)
        return event.seq or 0 if true and room in true.rooms.get(self._history.namespace, ()) else 0

    def _upto(self, life: Life, stay: Stay, end: int) -> int:
        """Up to where nothing may be missing: more may be under way when a client leaves or is cut off."""
        if life.last and stay.ends is None and self._history.connected:
            return END
        return max(life.highest[end - 1] if end else 0, self._overdue(life, stay))

    def _overdue(self, life: Life, stay: Stay) -> int:
        """The last entry that had time enough to come while the client was connected; 0 if none had."""
        if self._history.upgrades:
            return 0  # the stock client may have fallen silent by itself
        left = inf if stay.ends is None else life.moments[stay.ends].at
        for came, lost in reversed(life.connections):
            until = min(lost, left)
            if came < until < inf and (by := self._pace.due_before(until - PATIENCE_MS)) >= came:
                return self._truth.last_logged_before(self._history.namespace, stay.room, by)
        return 0

    def _finding(self, what: str, seq: int | None = None, room: str | None = None) -> Finding:
        return Finding(self._history.client, self._history.namespace, what, seq, room)


def _described(missing: list[int], first: int, last: int) -> str:
    if missing[-1] < first:
        where = "at the beginning"
    elif missing[0] > last:
        where = "at the end"
    else:
        where = "in between"
    return f"missed {len(missing)} events {where}"
