"""Owns the figures of single runs as they were measured, and how several become one."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

WARM_UP = "warm-up"


@dataclass(frozen=True, slots=True)
class Column:
    """How a figure is shown."""

    title: str
    member: str
    unit: float = 1


class Figures(BaseModel):
    """What one part of a run found."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    columns: ClassVar[tuple[Column, ...]]
    compared: ClassVar[tuple[Column, ...]]
    """What is divided by the peer's, with a title that can begin a sentence."""

    name: str

    def problems(self) -> list[str]:
        """What makes the figures worthless."""
        return []

    def in_short(self) -> str:
        shown = (
            f"{column.title} {getattr(self, column.member) / column.unit:,.4g}" for column in self.columns
        )
        return f"{self.name}: {', '.join(shown)}"


class Connected(Figures):
    """What connecting the clients cost."""

    columns = (
        Column("seconds", "seconds"),
        Column("CPU µs/connection", "cpu_us_per_connection"),
        Column("RSS KB/connection", "rss_kb_per_connection"),
    )
    compared = (
        Column("CPU per connection", "cpu_us_per_connection"),
        Column("memory per connection", "rss_kb_per_connection"),
    )

    clients: int
    seconds: float
    cpu_us_per_connection: float
    rss_kb_before: int
    rss_kb_per_connection: float


class Heard(Figures):
    """What became of the events of one phase: every one must arrive, once and in order."""

    published: int
    expected: int
    """Deliveries: one for each event and client that it is for."""
    received: int
    disorder: int
    dead: int

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


class Phase(Heard):
    """How fast events came, and what that cost."""

    columns = (
        Column("deliveries/s", "deliveries_per_second"),
        Column("CPU µs/delivery", "cpu_us_per_delivery"),
        Column("p50 ms", "p50_us", 1000),
        Column("p90 ms", "p90_us", 1000),
        Column("p99 ms", "p99_us", 1000),
        Column("max ms", "max_us", 1000),
        Column("server CPU %", "server_cpu_percent"),
        Column("generator CPU %", "generator_cpu_percent"),
    )
    compared = (Column("p99", "p99_us"), Column("CPU per delivery", "cpu_us_per_delivery"))

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


class Comeback(Figures):
    """What it took until everybody who came back had what was missed."""

    columns = (
        Column("seconds", "seconds"),
        Column("CPU µs/client", "cpu_us_per_client"),
        Column("p50 ms", "p50_us", 1000),
        Column("p99 ms", "p99_us", 1000),
        Column("generator CPU %", "generator_cpu_percent"),
    )
    compared = (Column("time", "seconds"), Column("CPU per client", "cpu_us_per_client"))

    clients: int
    recovered: int
    complete: int
    dead: int
    missed: int
    received: int
    disorder: int
    seconds: float
    cpu_us_per_client: float
    generator_cpu_percent: float
    p50_us: int
    p99_us: int

    def problems(self) -> list[str]:
        found = []
        if self.recovered != self.clients:
            found.append(f"{self.recovered:,} of {self.clients:,} sessions were taken up again")
        if self.complete != self.clients:
            found.append(f"{self.complete:,} of {self.clients:,} clients got the last event")
        if self.received != self.clients * self.missed:
            found.append(f"received {self.received:,} of {self.clients * self.missed:,} missed events")
        if self.disorder:
            found.append(f"{self.disorder:,} events out of order, repeated or after a gap")
        if self.dead:
            found.append(f"{self.dead:,} connections lost")
        return found


class Unheard(Heard):
    """What events cost that almost never are for a client of the server's."""

    columns = (
        Column("events/s", "events_per_second"),
        Column("CPU µs/event", "cpu_us_per_event"),
        Column("server CPU %", "server_cpu_percent"),
        Column("generator CPU %", "generator_cpu_percent"),
    )
    compared = (Column("CPU per event", "cpu_us_per_event"),)

    events_per_second: float
    cpu_us_per_event: float
    server_cpu_percent: float
    generator_cpu_percent: float


class Throughput(Figures):
    """What moving events through the bus cost the process that moved them."""

    columns = (Column("events/s", "events_per_second"), Column("CPU µs/event", "cpu_us_per_event"))
    compared = (Column("CPU per event", "cpu_us_per_event"),)

    expected: int
    events: int
    events_per_second: float
    cpu_us_per_event: float

    def problems(self) -> list[str]:
        return [] if self.events == self.expected else [f"{self.events:,} of {self.expected:,} events"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run against one server."""

    server: str
    number: int
    phases: tuple[Figures, ...]

    def phase(self, name: str) -> Figures:
        return next(phase for phase in self.phases if phase.name == name)

    def to_dict(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "number": self.number,
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
