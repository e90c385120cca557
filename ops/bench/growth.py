"""Owns `bench growth`: what a delivery costs among many sockets, and an event that nobody here listens to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Final

from ops.bench.comparison import Bench, Conditions, Site, Subject, report, site, turns
from ops.bench.floor import Floor
from ops.bench.generator import PhasePlan
from ops.bench.goals import Goal
from ops.bench.hubs import Hub
from ops.bench.node_peers import NodePeer
from ops.bench.prepare import Peer, Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Column, Connected, Phase, Run, Spread
from ops.bench.servers import EACH, EVERYBODY, Audience, Server

BURST: Final = 1_000
"""Events of which one is heard: its delivery is a thousandth of what is measured, and not subtracted."""
UNHEARD: Final = 5 / 7.9
"""Of what a delivery costs in Node: 5 µs, where one among 1,000 clients took 7.9 µs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthOptions:
    """What to measure; the defaults are what figures are published for."""

    clients: int = 4_000
    few: int = 500
    """How many clients the many are compared with."""
    usual: int = 1_000
    """Among how many clients Node's delivery is what unheard events are measured by."""
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
                peer=f"node-{self.usual}",
                beside=("saturated", cost),
            ),
        ]


class Fewer:
    """A server again, under the name it has when it serves fewer clients."""

    versions: Mapping[str, str] = MappingProxyType({})
    notes: tuple[str, ...] = ()

    def __init__(self, server: Server, clients: int) -> None:
        self.name = f"{server.name}-{clients}"
        self.stream = server.stream
        self.running = server.running


def quick(peer: Peer | None = None) -> GrowthOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return GrowthOptions(clients=80, few=10, usual=20, runs=1, seconds=0.5, warm_up=0.2, peer=peer)


def run_growth(options: GrowthOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    title = f"{options.few:,} clients, {options.clients:,} clients, and events for nobody"
    subject = Subject(
        title=title, options=asdict(options), runs=options.runs, peer=options.peer, goals=options.goals()
    )
    clients = max(options.clients, options.few, options.usual)
    with site(options.peer, clients, say) as here:
        hub, floor = Hub(here.around), Floor(here.around, EVERYBODY)
        hearing: list[Server] = [hub]
        if here.node:
            hearing.append(NodePeer(here.node, here.around, EACH))
        unheard = _bench(here, options.clients, EACH, options.unheard())
        sides = list(_sides(options, here, (hub, floor)))
        sides += [(unheard, server) for server in hearing]
        runs = [bench.measure(server, number, say) for number, (bench, server) in turns(sides, options.runs)]
    runs = [run if _connects(run) else _without_connecting(run) for run in runs]
    notes = [*unheard.doubts(runs), *_notes(options), *_parts(options, runs)]
    return report(subject, here, [*hearing, floor], runs, notes)


def _sides(options: GrowthOptions, here: Site, servers: Sequence[Server]) -> Iterator[tuple[Bench, Server]]:
    """Who delivers to everybody, and to how many."""
    many = _bench(here, options.clients, EVERYBODY, options.saturated())
    few = _bench(here, options.few, EVERYBODY, options.saturated())
    for server in servers:
        yield many, server
        yield few, Fewer(server, options.few)
    if here.node:
        usual = _bench(here, options.usual, EVERYBODY, options.saturated())
        yield usual, Fewer(NodePeer(here.node, here.around, EVERYBODY), options.usual)


def _bench(here: Site, clients: int, audience: Audience, phases: list[PhasePlan]) -> Bench:
    return Bench(Conditions(clients=clients, audience=audience, phases=phases, needs_compiler=True), here)


def _connects(run: Run) -> bool:
    """Say whether its connecting counts: the floor's does nothing, and the unheard's is measured before."""
    heard = any(phase.name == "saturated" for phase in run.phases)
    return heard and not run.server.startswith("floor")


def _without_connecting(run: Run) -> Run:
    return Run(
        run.server, run.number, tuple(phase for phase in run.phases if not isinstance(phase, Connected))
    )


def _notes(options: GrowthOptions) -> Iterator[str]:
    yield (
        "a name with a number is the same server with so many clients; an event to more clients takes longer"
    )
    yield (
        f"unheard: {options.clients:,} clients, each in a room of its own; every event is for another room, "
        f"which nobody is in, but one in {BURST:,}, which one client gets. That is the plainest event, "
        "one packet for one room, and every read is full: events that come one by one cost more each"
    )


def _parts(options: GrowthOptions, runs: Sequence[Run]) -> Iterator[str]:
    """Whose the growth is: the kernel's sockets lie farther apart among many, too."""
    for server in ("hub", "floor"):
        few, many = _saturated(runs, f"{server}-{options.few}"), _saturated(runs, server)
        grown = Spread.of(many[n].cpu_us_per_delivery / few[n].cpu_us_per_delivery for n in many)
        own = [Spread.of(one.user_us_per_delivery for one in side.values()) for side in (few, many)]
        kernel = [Spread.of(one.system_us_per_delivery for one in side.values()) for side in (few, many)]
        yield (
            f"{server}: a delivery among {options.clients:,} clients took {grown} times the CPU of one among "
            f"{options.few:,}: its own code {own[1]} µs instead of {own[0]}, the kernel {kernel[1]} instead "
            f"of {kernel[0]}"
        )


def _saturated(runs: Sequence[Run], server: str) -> dict[int, Phase]:
    """What each run of a server found, by its number."""
    return {
        run.number: phase
        for run in runs
        if run.server == server
        for phase in run.phases
        if isinstance(phase, Phase) and phase.name == "saturated"
    }
