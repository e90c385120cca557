"""Owns `bench unicast`: each event to one of many sockets, the hub beside its peer in the same run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from ops.bench.comparison import Conditions, Site, Subject, compare
from ops.bench.floor import Floor
from ops.bench.generator import PhasePlan
from ops.bench.goals import Goal
from ops.bench.hubs import Hub
from ops.bench.node_peers import NodePeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Column
from ops.bench.servers import EACH, Server

RATES: Final = (1_000, 3_000, 10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnicastOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 1_000
    runs: int = 5
    seconds: float = 5
    rates: tuple[int, ...] = RATES
    """Events a second, one by one."""
    window: int = 500
    warm_up: float = 2
    recovery: bool = False
    peer: Peer | None = None
    """None: Node.js where the machine has it."""

    def plan(self) -> list[PhasePlan]:
        return [
            PhasePlan(WARM_UP, "window", self.window, self.warm_up),
            PhasePlan("saturated", "window", self.window, self.seconds),
            *(PhasePlan(_at(rate), "rate", rate, self.seconds) for rate in self.rates),
        ]

    def goals(self) -> list[Goal]:
        return [Goal(_at(rate), Column("p99 ms", "p99_us", 1000), 10) for rate in self.rates]


def _at(rate: int) -> str:
    return f"{rate:,}/s"


def quick(peer: Peer | None = None) -> UnicastOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return UnicastOptions(clients=50, runs=1, seconds=0.5, rates=(500,), window=20, warm_up=0.2, peer=peer)


def run_unicast(options: UnicastOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""

    def servers(here: Site) -> Sequence[Server]:
        hub = Hub(here.around)
        if options.peer == "floor":
            return [hub, Floor(here.around, EACH)]
        return [hub, NodePeer(here.node, here.around, EACH)] if here.node else [hub]

    conditions = Conditions(
        clients=options.clients, audience=EACH, phases=options.plan(), recovery=options.recovery
    )
    title = f"each event to one of {options.clients:,} clients"
    subject = Subject(
        title=title,
        options=asdict(options),
        runs=options.runs,
        peer=options.peer,
        goals=options.goals(),
    )
    return compare(subject, conditions, servers, say)
