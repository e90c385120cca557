"""Owns what `bench channels` finds: what it took to send messages on one channel."""

from ops.bench.results import Column, Figures
from ops.bench.route_meter import Cost

CPU = Column("CPU per delivery", "cpu_us")
TIME = Column("time per delivery", "us")


class Sent(Figures):
    """What it cost to have all messages taken by a provider, and that noted."""

    columns = (
        Column("sent/s", "per_second"),
        Column("CPU µs/delivery", "cpu_us"),
        Column("its own", "own_us"),
        Column("PostgreSQL's", "postgres_us"),
    )
    compared = (CPU, TIME)

    expected: int
    sent: int
    """As whoever sent them has it."""
    arrived: int
    """At the simulator."""
    per_second: float
    cpu_us: float
    own_us: float
    postgres_us: float
    us: float

    @classmethod
    def of(cls, name: str, cost: Cost, *, expected: int, sent: int, arrived: int) -> "Sent":
        share = 1e6 / max(sent, 1)
        return cls(
            name=name,
            expected=expected,
            sent=sent,
            arrived=arrived,
            per_second=sent / max(cost.elapsed, 1e-9),
            cpu_us=(cost.own + cost.postgres) * share,
            own_us=cost.own * share,
            postgres_us=cost.postgres * share,
            us=cost.elapsed * share,
        )

    def problems(self) -> list[str]:
        found = []
        if self.sent != self.expected:
            found.append(f"{self.sent:,} of {self.expected:,} messages sent")
        if self.arrived != self.expected:
            found.append(f"{self.arrived:,} of {self.expected:,} messages arrived")
        return found
