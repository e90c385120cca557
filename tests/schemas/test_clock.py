"""The system clock."""

from datetime import timedelta

from schemas.clock import SystemClock


def test_the_system_clock_speaks_utc_and_moves_on() -> None:
    clock = SystemClock()
    first = clock.now()
    assert first.utcoffset() == timedelta(0)
    assert clock.now() >= first
