"""Owns what `bench route` finds: what notifications cost, and how long others wait beside a walk."""

from typing import ClassVar

from ops.bench.results import Column, Figures
from ops.bench.route_meter import Cost

CPU = Column("CPU per notification", "cpu_us")
TIME = Column("time per notification", "us")
SLOWEST = Column("max ms", "max_us", 1000)
GROWTH = Column("growth MB", "growth_mb")


class Told(Figures):
    """What it cost to have everybody's notification, decision and deliveries stored."""

    columns = (
        Column("CPU µs/notification", "cpu_us"),
        Column("its own", "own_us"),
        Column("PostgreSQL's", "postgres_us"),
        Column("time µs/notification", "us"),
    )
    compared = (CPU, TIME)

    expected: int
    told: int
    cpu_us: float
    own_us: float
    postgres_us: float
    us: float

    @classmethod
    def of(cls, name: str, cost: Cost, *, told: int, expected: int) -> "Told":
        share = 1e6 / max(told, 1)
        return cls(
            name=name,
            expected=expected,
            told=told,
            cpu_us=(cost.own + cost.postgres) * share,
            own_us=cost.own * share,
            postgres_us=cost.postgres * share,
            us=cost.elapsed * share,
        )

    def problems(self) -> list[str]:
        return [] if self.told == self.expected else [f"{self.told:,} of {self.expected:,} people told"]


class Tips(Figures):
    """How long it took from the commit of a tip until a gateway had its notification."""

    columns: ClassVar[tuple[Column, ...]] = (
        Column("tips", "published"),
        Column("p50 ms", "p50_us", 1000),
        Column("p99 ms", "p99_us", 1000),
        SLOWEST,
    )
    compared = ()

    published: int
    heard: int
    p50_us: float
    p99_us: float
    max_us: float

    @classmethod
    def members(cls, waits: list[float], published: int) -> dict[str, float]:
        """From seconds, of those that were heard of."""
        ordered = sorted(waits) or [0.0]

        def at(share: float) -> float:
            return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e6

        return {
            "published": published,
            "heard": len(waits),
            "p50_us": at(0.5),
            "p99_us": at(0.99),
            "max_us": at(1),
        }

    def problems(self) -> list[str]:
        if not self.published:
            return ["no tip was published"]
        return [] if self.heard == self.published else [f"heard of {self.heard:,} of {self.published:,} tips"]


class TipsBeside(Tips):
    """The same while a walk went on in the same worker, and what the walk did to the worker's memory."""

    columns = (*Tips.columns, Column("seconds", "seconds"), GROWTH)

    expected: int
    told: int
    seconds: float
    growth_mb: float

    def problems(self) -> list[str]:
        found = super().problems()
        if self.told != self.expected:
            found.append(f"{self.told:,} of {self.expected:,} people told")
        return found
