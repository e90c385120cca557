"""Owns when a failed delivery is tried again: ever later, never all at once, and not for ever."""

from datetime import datetime, timedelta
from secrets import SystemRandom
from typing import Final

from bus.retry import Retry

# How often is not counted: the last attempt is when it was tried for a day, holds and pauses aside.
DELIVERIES: Final = Retry(first=timedelta(seconds=15), factor=3, longest=timedelta(hours=4))
# Whoever meets a spent quota again and again: it is the provider that is paused, and for how long is a guess.
QUOTAS: Final = Retry(first=timedelta(seconds=2), factor=2, longest=timedelta(minutes=1))
# A batch is repeated sooner: its fate is open, and the same key makes a repeat harmless.
BATCHES: Final = Retry(first=timedelta(seconds=2), factor=3, longest=timedelta(hours=1))
# Providers remember a key for 24 hours; beyond that a repeat would be a second mail.
KEPT: Final = timedelta(hours=23, minutes=55)

A_DAY: Final = timedelta(hours=24)

_chance: Final = SystemRandom()


def next_attempt(
    retry: Retry, attempts: int, now: datetime, last: datetime, asked: timedelta | None = None
) -> datetime:
    """When to try again after that many attempts: not before the provider `asked` for, never after `last`."""
    jittered = retry.delay(attempts) * _chance.uniform(0.75, 1.25)
    return min(last, now + max(jittered, asked or timedelta()))
