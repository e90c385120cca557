"""Owns how often the same thing is said: an outage is a line every few seconds, not one for each attempt."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 5.0


class Seldom:
    """Says something at most every few seconds, with how often it was left unsaid since the last time."""

    def __init__(
        self,
        log: Any,
        *,
        level: int = logging.WARNING,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._level = level
        self._every_s = every_s
        self._clock = clock
        self._quiet_until = 0.0
        self._unsaid = 0

    def __call__(self, event: str, **details: object) -> None:
        """Say it, or count it."""
        now = self._clock()
        if now < self._quiet_until:
            self._unsaid += 1
            return
        if self._unsaid:
            details["unsaid"] = self._unsaid
        self._quiet_until, self._unsaid = now + self._every_s, 0
        self._log.log(self._level, event, **details)
