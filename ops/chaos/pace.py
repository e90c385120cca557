"""Owns how slow the house was: what had come to everybody who got it, and what to some only."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from ops.chaos.histories import Connected, History, Received
from ops.chaos.truth import Truth

STEP_MS: Final = 100.0


class Pace:
    """What everybody received, by when it was due: when it was in the log, and its client connected."""

    def __init__(self, histories: Iterable[History], truth: Truth) -> None:
        slowest: dict[int, float] = {}
        for history in histories:
            since = 0.0
            for moment in history.moments:
                match moment:
                    case Connected():
                        since = moment.at
                    case Received() if moment.seq in truth.logged:
                        step = int(max(truth.logged[moment.seq], since) // STEP_MS)
                        slowest[step] = max(moment.at, slowest.get(step, 0.0))
        self._steps = sorted(slowest)
        self._came = list(accumulate((slowest[step] for step in self._steps), max))

    def due_before(self, at: float) -> float:
        """The latest instant such that by `at` everybody had what was due before it; at most `at`."""
        place = bisect_right(self._came, at)
        return min(at, self._steps[place] * STEP_MS) if place < len(self._steps) else at
