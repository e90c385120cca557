"""Owns `bench recovery`: many clients come back at once to events that they missed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from ops.bench.comparison import Conditions, Site, Subject, compare
from ops.bench.generator import PhasePlan
from ops.bench.hubs import WholeHub
from ops.bench.node_peers import AdapterPeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP
from ops.bench.servers import EVERYBODY, Server

_PATIENCE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 2_000
    runs: int = 5
    events: int = 100
    """That each of them missed."""
    apart: float = 3
    """Seconds in which the server notices that they are gone, and again reads the events."""
    peer: Peer | None = None
    """None: Node.js where the machine has it."""

    def plan(self) -> list[PhasePlan]:
        return [
            PhasePlan(WARM_UP, "comeback", self.events, self.apart),
            PhasePlan("comeback", "comeback", self.events, self.apart),
        ]


def quick(peer: Peer | None = None) -> RecoveryOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return RecoveryOptions(clients=50, runs=1, events=20, apart=0.5, peer=peer)


def run_recovery(options: RecoveryOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""

    def servers(here: Site) -> Sequence[Server]:
        hub = WholeHub(here.around)
        return [hub, AdapterPeer(here.node, here.around, EVERYBODY, recovery=True)] if here.node else [hub]

    conditions = Conditions(
        clients=options.clients,
        audience=EVERYBODY,
        phases=options.plan(),
        recovery=True,
        drain=_PATIENCE_S,
        needs_compiler=True,
    )
    title = f"{options.clients:,} clients come back at once, {options.events:,} events behind"
    subject = Subject(title=title, options=asdict(options), runs=options.runs, peer=options.peer)
    return compare(subject, conditions, servers, say)
