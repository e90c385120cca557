"""Owns how long a reader waits between two reads: under load, a moment saves most of the reads.

One by one, the round trip to the server costs several times what an entry costs. Two milliseconds are
nothing to a person, and bring several entries in one read as soon as many come.
"""

from typing import Final

BUSY: Final = 500
"""Entries a second from which on it waits."""
FEW: Final = 64
"""Entries in one read from which on there is nothing to save."""
LINGER_S: Final = 0.002
SLOT_S: Final = 0.25


class Pace:
    """Counts in slots of a quarter of a second; what the last whole one held decides for the next."""

    def __init__(self) -> None:
        self._ends = 0.0
        self._count = 0
        self._busy = False

    def pause_s(self, entries: int, now: float) -> float:
        """Answer the seconds to wait after a read at `now` (seconds, monotonic) that brought so many."""
        if now >= self._ends:
            in_a_row = now < self._ends + SLOT_S
            self._busy = in_a_row and self._count >= BUSY * SLOT_S
            self._ends, self._count = now + SLOT_S, 0
        self._count += entries
        return LINGER_S if self._busy and entries < FEW else 0.0
