"""Tokens, timings and a clock for tests of the sockets."""

from datetime import datetime, timedelta
from typing import Any

from gateways.auth import issue
from gateways.sockets.timings import Timings
from schemas.clock import SystemClock

SECRET = "a secret of thirty-two bytes, or more"


def token_of(user: str, *scopes: str, ttl: float = 3600) -> str:
    return issue(SECRET, user, scopes or ("user",), timedelta(seconds=ttl), SystemClock())


def quick(**timings: Any) -> Timings:
    """Timings that let a test end soon, whatever its clients do."""
    return Timings(**{"close_grace": 0.5, "clock_check": 0.02, **timings})


class MovableClock:
    """The system's clock, put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead
