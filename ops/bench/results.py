"""Owns the figures of single runs as the generator prints them, and how several become one."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

WARM_UP = "warm-up"


class Connected(BaseModel):
    """What connecting the clients cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    clients: int
    seconds: float
    cpu_us_per_connection: float
    rss_kb_before: int
    rss_kb_per_connection: float


class Phase(BaseModel):
    """What one phase of one run found, as the generator prints it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    published: int
    expected: int
    received: int
    disorder: int
    dead: int
    deliveries_per_second: float
    cpu_us_per_delivery: float
    user_us_per_delivery: float
    system_us_per_delivery: float
    server_cpu_percent: float
    generator_cpu_percent: float
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int

    def problems(self) -> list[str]:
        found = []
        if self.received != self.expected:
            found.append(f"received {self.received:,} of {self.expected:,} deliveries")
        if self.disorder:
            found.append(f"{self.disorder:,} deliveries out of order, repeated or after a gap")
        if self.dead:
            found.append(f"{self.dead:,} connections lost")
        if not self.published:
            found.append("nothing was published")
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """One run against one server."""

    server: str
    number: int
    connected: Connected
    phases: tuple[Phase, ...]

    def phase(self, name: str) -> Phase:
        return next(phase for phase in self.phases if phase.name == name)

    def to_dict(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "number": self.number,
            "connected": self.connected.model_dump(),
            "phases": [phase.model_dump() for phase in self.phases],
        }


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        found = list(values)
        return cls(statistics.median(found), min(found), max(found))

    def __str__(self) -> str:
        if self.low == self.high:
            return _number(self.median)
        return f"{_number(self.median)} ({_number(self.low)}–{_number(self.high)})"

    def to_dict(self) -> dict[str, float]:
        return {"median": self.median, "min": self.low, "max": self.high}


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
