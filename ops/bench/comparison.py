"""Owns a comparison: every server in turn, under the same conditions, with the same load."""

import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ops.bench.cpu import Cores, Machine, choose_cores, describe_machine, pinned
from ops.bench.errors import BenchError
from ops.bench.generator import Generator, Load, PhasePlan
from ops.bench.goals import Goal
from ops.bench.node import Node
from ops.bench.prepare import Peer, Say, allow_files, best_generator, peer_node, write_payloads
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Phase, Run, Unheard
from ops.bench.servers import Audience, Server
from ops.bench.services import Services, services
from ops.embedded.ports import find_free

AnyServer = TypeVar("AnyServer")

_FILES_BESIDE_CLIENTS: Final = 1_000
_GENERATOR_FULL: Final = 90  # percent of a core from which the generator may be what limits
_KEPT_UP: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the report is about."""

    title: str
    options: Mapping[str, Any]
    runs: int
    peer: Peer | None
    goals: Sequence[Goal] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What is done to every server."""

    clients: int
    audience: Audience
    phases: Sequence[PhasePlan] = ()
    warm: int = 0
    """How many more clients connect before the connecting is measured."""
    recovery: bool = False
    drain: float = 10
    needs_compiler: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """Where it is measured; everything in it is gone afterwards."""

    around: Services
    generator: Generator
    cores: Cores
    machine: Machine
    node: Node | None


Choose = Callable[[Site], Sequence[Server]]


@contextmanager
def site(peer: Peer | None, files: int, say: Say) -> Iterator[Site]:
    """Start what every measurement needs; raises BenchError when it cannot be made here."""
    if sys.platform != "linux":
        raise BenchError("the generator and the CPU times need Linux")
    machine, cores, node = describe_machine(), choose_cores(), peer_node(peer, say)
    allow_files(files + _FILES_BESIDE_CLIENTS)
    with pinned(cores.others):
        say("starting PostgreSQL and Valkey")
        with services() as around:
            generator = best_generator(around.folder, say)
            if node:
                say("installing the peers' packages, unless they are there")
            yield Site(around, generator, cores, machine, node)


def compare(subject: Subject, conditions: Conditions, servers: Choose, say: Say) -> Report:
    """Measure, which takes minutes."""
    with site(subject.peer, conditions.clients + conditions.warm, say) as here:
        sides = servers(here)
        bench = Bench(conditions, here)
        order = turns(sides, subject.runs)
        runs = [bench.measure(side, number, say) for number, side in order]
    return report(subject, here, sides, runs, bench.doubts(runs))


def report(
    subject: Subject, here: Site, servers: Sequence[Server], runs: Sequence[Run], doubts: Iterable[str]
) -> Report:
    versions = {"python": platform.python_version(), "valkey": here.around.valkey_version}
    for server in servers:
        versions |= server.versions
    return Report(
        title=subject.title,
        options=dict(subject.options) | {"generator": here.generator.name},
        machine=here.machine,
        versions=versions,
        notes=[*doubts, *(note for server in servers for note in server.notes)],
        runs=runs,
        goals=subject.goals,
    )


def turns(servers: Sequence[AnyServer], runs: int) -> Iterator[tuple[int, AnyServer]]:
    """Every server once per run, in an order that is reversed every other time."""
    for number in range(1, runs + 1):
        for server in servers if number % 2 else reversed(servers):
            yield number, server


class Bench:
    """Runs one server after the other under the same conditions."""

    def __init__(self, conditions: Conditions, here: Site) -> None:
        if conditions.needs_compiler and here.generator.name != "C":
            raise BenchError("only the generator in C can do this: install gcc")
        self._conditions = conditions
        self._here = here
        self._all = conditions.clients + conditions.warm
        self._payloads = here.around.folder / f"payloads of {self._all}"
        write_payloads(self._payloads, self._all, here.around.auth_secret, recovery=conditions.recovery)

    def measure(self, server: Server, number: int, say: Say) -> Run:
        say(f"run {number}, {server.name} …")
        around = self._here.around
        around.forget(server.stream)
        port = find_free()
        with server.running(port, self._here.cores.server) as child:
            try:
                figures = self._here.generator.run(self._load(server, port, child.pids()), around.folder)
            finally:
                child.ensure_alive()  # its end explains what the generator saw
        run = Run(server.name, number, figures)
        for phase in run.phases:
            if phase.name != WARM_UP:
                say(f"  {phase.in_short()}")
        return run

    def _load(self, server: Server, port: int, pids: Sequence[int]) -> Load:
        around, conditions = self._here.around, self._conditions
        return Load(
            port=port,
            server_pids=pids,
            audience=conditions.audience,
            clients=self._all,
            warm=conditions.warm,
            payloads=self._payloads,
            redis_port=around.redis_port,
            redis_password=around.redis_password,
            stream=server.stream,
            phases=conditions.phases,
            drain=conditions.drain,
        )

    def doubts(self, runs: Sequence[Run]) -> Iterator[str]:
        """Everything that a reader should hold against the figures."""
        machine, generator = self._here.machine, self._here.generator.name
        if machine.busy:
            yield f"the machine was at work already (load {machine.load}): don't publish these figures"
        if not self._here.cores.server:
            yield "there is only one core, or none can be chosen: server and generator disturbed each other"
        if generator != "C":
            yield "the generator is the one in Python, which limits what a server can show; install gcc"
        phases = [phase for run in runs for phase in run.phases if isinstance(phase, Phase | Unheard)]
        busiest = max((phase.generator_cpu_percent for phase in phases), default=0)
        if busiest > _GENERATOR_FULL:
            full = f"the generator used {busiest:.0f} % of its core at times"
            yield f"{full}: deliveries/s and events/s are a lower bound"
        yield from self._behind(runs)

    def _behind(self, runs: Sequence[Run]) -> Iterator[str]:
        for plan in self._conditions.phases:
            if plan.name == WARM_UP:
                continue
            slow = {
                run.server
                for run in runs
                for phase in run.phases
                if isinstance(phase, Phase)
                and (phase.name, plan.kind) == (plan.name, "rate")
                and phase.deliveries_per_second < plan.value * _KEPT_UP
            }
            for server in sorted(slow):
                pace = f"{plan.value:,.0f} deliveries/s"
                yield f"{server} fell behind {pace}: its latencies in {plan.name} show only that"
