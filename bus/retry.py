"""Owns how long to wait before the next attempt; pure."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff: after attempt k wait `first · factor^(k-1)`, at most `longest`.

    After `attempts` the work is dead: listed by `hub dlq` until somebody redrives it.
    """

    attempts: int = 8
    first: timedelta = timedelta(seconds=1)
    factor: float = 4.0
    longest: timedelta = timedelta(hours=1)

    def spent(self, attempts: int) -> bool:
        """Say whether that many failed attempts were the last."""
        return attempts >= self.attempts

    def delay(self, attempts: int) -> timedelta:
        """Answer the wait after that many failed attempts (≥ 1)."""
        exponent = min(attempts - 1, 64)  # in floats, and bounded: `longest` has won long before it overflows
        seconds = self.first.total_seconds() * self.factor**exponent
        return timedelta(seconds=min(self.longest.total_seconds(), seconds))
