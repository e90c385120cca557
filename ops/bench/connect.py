"""Owns `bench connect`: what a connection costs in CPU, and in memory while it is idle."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ops.bench.comparison import Conditions, Site, Subject, compare
from ops.bench.floor import Floor
from ops.bench.hubs import Hub
from ops.bench.node_peers import NodePeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.servers import EVERYBODY, Server


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 2_000
    runs: int = 5
    warm_up: int = 500
    """Clients that connect, and stay, before the others are measured."""
    recovery: bool = False
    peer: Peer | None = None
    """None: Node.js where the machine has it."""


def quick(peer: Peer | None = None) -> ConnectOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return ConnectOptions(clients=50, runs=1, warm_up=10, peer=peer)


def run_connect(options: ConnectOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes a minute; raises BenchError when that cannot be done here."""

    def servers(here: Site) -> Sequence[Server]:
        hub = Hub(here.around)
        if options.peer == "floor":
            return [hub, Floor(here.around, EVERYBODY)]
        return [hub, NodePeer(here.node, here.around, EVERYBODY)] if here.node else [hub]

    conditions = Conditions(
        clients=options.clients, audience=EVERYBODY, warm=options.warm_up, recovery=options.recovery
    )
    title = f"{options.clients:,} clients connect"
    subject = Subject(title=title, options=asdict(options), runs=options.runs, peer=options.peer)
    return compare(subject, conditions, servers, say)
