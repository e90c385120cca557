"""Owns `bench bus`: events through the streams beside bare redis-py, and from a POST to many sockets."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Final

from ops.bench.bus_ways import READ, WRITTEN, bare_ways, hub_ways
from ops.bench.comparison import Bench, Conditions, Site, Subject, report, site, turns
from ops.bench.cpu import pinned
from ops.bench.generator import PhasePlan
from ops.bench.goals import Goal
from ops.bench.hubs import WholeHub
from ops.bench.prepare import Say
from ops.bench.report import Report
from ops.bench.results import WARM_UP, Column, Run
from ops.bench.servers import EVERYBODY

_WAYS: Final = {"hub": hub_ways, "redis-py": bare_ways}
_POSTED: Final = "post to sockets"
_SOON: Final = Goal(_POSTED, Column("p99 ms", "p99_us", 1000), 50)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions:
    """What to measure; the defaults are what figures are published for."""

    events: int = 20_000
    clients: int = 1_000
    rate: float = 20
    """Events a second that are posted."""
    runs: int = 5
    seconds: float = 10
    warm_up: float = 2

    def plan(self) -> list[PhasePlan]:
        deliveries = self.rate * self.clients
        return [
            PhasePlan(WARM_UP, "rate", deliveries, self.warm_up),
            PhasePlan(_POSTED, "rate", deliveries, self.seconds),
        ]


def quick() -> BusOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return BusOptions(events=2_000, clients=50, runs=1, seconds=0.5, warm_up=0.3)


def run_bus(options: BusOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    title = f"the bus, and {options.rate:g} events/s from POST /v1/events to {options.clients:,} clients"
    subject = Subject(title=title, options=asdict(options), runs=options.runs, peer="none", goals=[_SOON])
    conditions = Conditions(clients=options.clients, audience=EVERYBODY, phases=options.plan())
    with site("none", options.clients, say) as first:
        runs = [
            _measure(name, number, first, options.events, say)
            for number, name in turns(list(_WAYS), options.runs)
        ]
    # Elsewhere, as a worker would first handle all the events that have gone through there.
    with site("none", options.clients, say) as second:
        here = replace(second, machine=first.machine)  # how busy it was before we were
        hub, bench = WholeHub(here.around), Bench(conditions, here)
        runs += [bench.measure(hub, number, say) for number in range(1, options.runs + 1)]
    return report(subject, here, [hub], runs, [*bench.doubts(runs), *_notes()])


def _measure(name: str, number: int, here: Site, events: int, say: Say) -> Run:
    say(f"run {number}, {name} on its own …")
    with pinned(here.cores.server):
        run = Run(name, number, asyncio.run(_WAYS[name](here.around, events)))
    for phase in run.phases:
        say(f"  {phase.in_short()}")
    return run


def _notes() -> Iterator[str]:
    yield (
        f"redis-py {version('redis')}: pipelines of {WRITTEN} XADD, XREAD of up to {READ}; the hub appends "
        "as many with one script, which checks what they follow"
    )
    yield (
        "through, hub: from the outbox in PostgreSQL by relay, log and appender to a gateway's tail, each "
        "event also into the stream of its partition; redis-py: one task writes, another reads"
    )
