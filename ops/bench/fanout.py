"""Owns `bench fanout`: one event to many sockets, the hub beside its peers in the same run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from ops.bench.comparison import Conditions, Site, Subject, compare
from ops.bench.floor import Floor
from ops.bench.generator import PhasePlan
from ops.bench.hubs import Hub
from ops.bench.node_peers import AdapterPeer, NodePeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP
from ops.bench.servers import EVERYBODY, Server

BURST: Final = 16
"""Events that one read finds in the backlog."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 1_000
    runs: int = 5
    seconds: float = 5
    rate: float = 30_000
    window: int = 2
    warm_up: float = 2
    recovery: bool = False
    peer: Peer | None = None
    """None: Node.js where the machine has it."""

    def plan(self) -> list[PhasePlan]:
        return [
            PhasePlan(WARM_UP, "window", self.window, self.warm_up),
            PhasePlan("saturated", "window", self.window, self.seconds),
            PhasePlan("paced", "rate", self.rate, self.seconds),
            PhasePlan("backlog", "burst", BURST, self.seconds),
        ]


def quick(peer: Peer | None = None) -> FanoutOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return FanoutOptions(clients=50, runs=1, seconds=0.5, rate=2_000, warm_up=0.2, peer=peer)


def run_fanout(options: FanoutOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""

    def servers(here: Site) -> Sequence[Server]:
        hub = Hub(here.around)
        if options.peer == "floor":
            return [hub, Floor(here.around, EVERYBODY)]
        if here.node is None:
            return [hub]
        peers = (
            kind(here.node, here.around, EVERYBODY, recovery=options.recovery)
            for kind in (NodePeer, AdapterPeer)
        )
        return [hub, *peers]

    conditions = Conditions(
        clients=options.clients, audience=EVERYBODY, phases=options.plan(), recovery=options.recovery
    )
    title = f"fan-out to {options.clients:,} clients"
    subject = Subject(title=title, options=asdict(options), runs=options.runs, peer=options.peer)
    return compare(subject, conditions, servers, say)
