"""Owns `bench fanout`: one event to many sockets, the hub beside its peer in the same run."""

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

from ops.bench.cpu import Cores, Machine, choose_cores, describe_machine, pinned
from ops.bench.errors import BenchError
from ops.bench.generator import Generator, Load, PhasePlan
from ops.bench.prepare import Peer, Say, allow_files, best_generator, peer_node, write_payloads
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Run
from ops.bench.servers import NAMESPACE, ROOM, Hub, NodePeer, Server
from ops.bench.services import Services, services
from ops.embedded.ports import find_free

AnyServer = TypeVar("AnyServer")

_FILES_BESIDE_CLIENTS = 1_000
_GENERATOR_FULL = 90  # percent of a core from which the generator may be what limits
_KEPT_UP = 0.95


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
        ]


def quick(peer: Peer | None = None) -> FanoutOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return FanoutOptions(clients=50, runs=1, seconds=1, rate=2_000, warm_up=0.2, peer=peer)


def run_fanout(options: FanoutOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    if sys.platform != "linux":
        raise BenchError("the generator and the CPU times need Linux")
    machine, cores, node = describe_machine(), choose_cores(), peer_node(options.peer, say)
    allow_files(options.clients + _FILES_BESIDE_CLIENTS)
    with pinned(cores.others):
        say("starting PostgreSQL and Valkey")
        with services() as around:
            generator = best_generator(around.folder, say)
            servers: list[Server] = [Hub(around)]
            if node:
                say("installing the peer's packages, unless they are there")
                servers.append(NodePeer(node, around))
            bench = _Fanout(options, around, generator, cores)
            runs = list(_measure_all(bench, servers, options.runs, say))
    notes = [
        *_doubts(options, machine, cores, generator.name, runs),
        *(note for server in servers for note in server.notes),
    ]
    versions = {"python": platform.python_version(), "valkey": around.valkey_version}
    for server in servers:
        versions |= server.versions
    return Report(
        title=f"fan-out to {options.clients:,} clients",
        options=asdict(options) | {"generator": generator.name},
        machine=machine,
        versions=versions,
        notes=notes,
        runs=runs,
    )


def _measure_all(bench: "_Fanout", servers: Sequence[Server], runs: int, say: Say) -> Iterator[Run]:
    for number, server in turns(servers, runs):
        say(f"run {number} of {runs}, {server.name} …")
        run = bench.measure(server, number)
        for phase in run.phases[1:]:
            say(
                f"  {phase.name}: {phase.deliveries_per_second:,.0f} deliveries/s, "
                f"{phase.cpu_us_per_delivery:.1f} µs each, p99 {phase.p99_us / 1000:.1f} ms"
            )
        yield run


def turns(servers: Sequence[AnyServer], runs: int) -> Iterator[tuple[int, AnyServer]]:
    """Every server once per run, in an order that is reversed every other time."""
    for number in range(1, runs + 1):
        for server in servers if number % 2 else reversed(servers):
            yield number, server


class _Fanout:
    """Runs one server after the other under the same conditions."""

    def __init__(self, options: FanoutOptions, around: Services, generator: Generator, cores: Cores) -> None:
        self._options = options
        self._around = around
        self._generator = generator
        self._cores = cores
        self._payloads = around.folder / "payloads"
        write_payloads(self._payloads, options.clients, around.auth_secret, recovery=options.recovery)

    def measure(self, server: Server, number: int) -> Run:
        self._around.forget(server.stream)
        port = find_free()
        with server.running(port, self._cores.server) as child:
            try:
                measured = self._generator.run(self._load(server, port, child.pids()), self._around.folder)
            finally:
                child.ensure_alive()  # its end explains what the generator saw
        return Run(server.name, number, measured.connected, measured.phases)

    def _load(self, server: Server, port: int, pids: Sequence[int]) -> Load:
        return Load(
            port=port,
            server_pids=pids,
            namespace=NAMESPACE,
            room=ROOM,
            clients=self._options.clients,
            payloads=self._payloads,
            redis_port=self._around.redis_port,
            redis_password=self._around.redis_password,
            stream=server.stream,
            phases=self._options.plan(),
        )


def _doubts(
    options: FanoutOptions, machine: Machine, cores: Cores, generator: str, runs: Sequence[Run]
) -> Iterator[str]:
    """Everything that a reader should hold against the figures."""
    if machine.busy:
        yield f"the machine was at work already (load {machine.load}): don't publish these figures"
    if not cores.server:
        yield "there is only one core, or none can be chosen: server and generator disturbed each other"
    if generator != "C":
        yield "the generator is the one in Python, which limits what a server can show; install gcc"
    busiest = max(phase.generator_cpu_percent for run in runs for phase in run.phases)
    if busiest > _GENERATOR_FULL:
        yield f"the generator used {busiest:.0f} % of its core at times: deliveries/s are a lower bound"
    behind = {
        run.server for run in runs if run.phase("paced").deliveries_per_second < options.rate * _KEPT_UP
    }
    for server in sorted(behind):
        yield f"{server} fell behind {options.rate:,.0f} deliveries/s: its paced latencies show only that"
