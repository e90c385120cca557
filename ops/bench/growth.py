"""Owns `bench growth`: what a delivery costs among many sockets, and an event that nobody here listens to."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Final

from ops.bench.comparison import Bench, Conditions, Site, Subject, report, site, turns
from ops.bench.generator import PhasePlan
from ops.bench.goals import Goal
from ops.bench.hubs import Hub
from ops.bench.node import Node
from ops.bench.node_peers import NodePeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Column, Connected, Run
from ops.bench.servers import EACH, EVERYBODY, Audience, Server
from ops.bench.services import Services

BURST: Final = 1_000
"""Events of which one is heard: its delivery is a thousandth of what is measured, and not subtracted."""
UNHEARD: Final = 5 / 7.9
"""Of what a delivery costs in Node: 5 µs, on the machine the goal comes from, where that takes 7.9 µs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 4_000
    few: int = 500
    """How many clients the many are compared with."""
    runs: int = 5
    seconds: float = 5
    window: int = 2
    warm_up: float = 2
    peer: Peer | None = None
    """Beside which the unheard events are."""

    def saturated(self) -> list[PhasePlan]:
        return [
            PhasePlan(WARM_UP, "window", self.window, self.warm_up),
            PhasePlan("saturated", "window", self.window, self.seconds),
        ]

    def unheard(self) -> list[PhasePlan]:
        return [
            PhasePlan(WARM_UP, "unheard", BURST, self.warm_up),
            PhasePlan("unheard", "unheard", BURST, self.seconds),
        ]

    def goals(self) -> list[Goal]:
        cost = Column("CPU per delivery", "cpu_us_per_delivery")
        return [
            Goal("saturated", cost, 1.1, peer=f"hub-{self.few}"),
            Goal(
                "unheard",
                Column("CPU per event", "cpu_us_per_event"),
                UNHEARD,
                peer=f"node-{self.few}",
                beside=("saturated", cost),
            ),
        ]


class FewerClients(Hub):
    """The hub again, under the name it has when it serves few."""

    def __init__(self, services: Services, clients: int) -> None:
        super().__init__(services)
        self.name = f"hub-{clients}"


class FewerNodeClients(NodePeer):
    """Node when it serves few: what a delivery is worth on this machine, at this moment."""

    def __init__(self, node: Node, services: Services, clients: int) -> None:
        super().__init__(node, services, EVERYBODY)
        self.name = f"node-{clients}"


def quick(peer: Peer | None = None) -> GrowthOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return GrowthOptions(clients=80, few=10, runs=1, seconds=0.5, warm_up=0.2, peer=peer)


def run_growth(options: GrowthOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    title = f"{options.few:,} clients, {options.clients:,} clients, and events for nobody"
    subject = Subject(
        title=title, options=asdict(options), runs=options.runs, peer=options.peer, goals=options.goals()
    )
    with site(options.peer, options.clients, say) as here:
        hub, fewer = Hub(here.around), FewerClients(here.around, options.few)
        many = _bench(here, options.clients, EVERYBODY, options.saturated())
        few = _bench(here, options.few, EVERYBODY, options.saturated())
        unheard = _bench(here, options.clients, EACH, options.unheard())
        peers = [NodePeer(here.node, here.around, EACH)] if here.node else []
        sides: list[tuple[Bench, Server]] = [(many, hub), (few, fewer), (unheard, hub)]
        sides += [(unheard, peer) for peer in peers]
        sides += [(few, FewerNodeClients(here.node, here.around, options.few))] if here.node else []
        runs: list[Run] = []
        for number, (bench, server) in turns(sides, options.runs):
            run = bench.measure(server, number, say)
            runs.append(_without_connecting(run) if bench is unheard else run)
    return report(subject, here, [hub, *peers], runs, [*many.doubts(runs), *_notes(options)])


def _bench(here: Site, clients: int, audience: Audience, phases: list[PhasePlan]) -> Bench:
    return Bench(Conditions(clients=clients, audience=audience, phases=phases, needs_compiler=True), here)


def _without_connecting(run: Run) -> Run:
    """The hub's connecting is measured in the other run of that number."""
    return Run(
        run.server, run.number, tuple(phase for phase in run.phases if not isinstance(phase, Connected))
    )


def _notes(options: GrowthOptions) -> Iterator[str]:
    yield (
        f"hub-{options.few}, node-{options.few}: the same with {options.few:,} clients; an event to more "
        "clients takes longer"
    )
    yield (
        f"unheard: {options.clients:,} clients, each in a room of its own; every event is for another room, "
        f"which nobody is in, but one in {BURST:,}, which one client gets. That is the plainest event, "
        "one packet for one room, and every read is full: events that come one by one cost more each"
    )
