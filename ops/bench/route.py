"""Owns `bench route`: an audience told beside a bare COPY, what others feel of it, and whether cost grows."""

import asyncio
import platform
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from ops.bench.comparison import turns
from ops.bench.cpu import Cores, Machine, choose_cores, describe_machine, pinned
from ops.bench.errors import BenchError
from ops.bench.goals import Goal
from ops.bench.prepare import Say
from ops.bench.report import OURS, Report
from ops.bench.results import Figures, Run
from ops.bench.route_copy import BareCopy
from ops.bench.route_figures import CPU, GROWTH, SLOWEST, TIME, Told
from ops.bench.route_hall import MAILED, Hall, hall
from ops.bench.route_stall import Worker, stalls
from ops.bench.services import Services, services
from schemas.migrate import migrate

WALKS: Final = {"in-app only": "bench", "everyone has an e-mail": MAILED}
"""Who is followed by whom."""
GROWN: Final = "among stored ones"
FULL: Final = "hub_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """What to measure; the defaults are what figures are published for."""

    people: int = 100_000
    some: int = 20_000
    """How many are told among those that are stored."""
    few: int = 1_000
    """How many are told to warm up."""
    stored: int = 2_000_000
    stored_before: int = 10_000
    runs: int = 5
    rate: float = 20
    """Tips a second."""
    seconds: float = 5
    """Of tips without a walk."""

    @property
    def before(self) -> str:
        return f"hub-{self.stored_before}"

    def goals(self) -> list[Goal]:
        walks = [Goal(name, column, 6, peer="copy") for name in WALKS for column in (CPU, TIME)]
        return [
            *walks,
            Goal(GROWN, CPU, 1.2, peer=self.before),
            Goal("tips beside a walk", SLOWEST, 100),
            Goal("tips beside a walk", GROWTH, 50),
        ]


def quick() -> RouteOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return RouteOptions(
        people=3_000, some=1_000, few=100, stored=5_000, stored_before=500, runs=1, seconds=0.5
    )


def run_route(options: RouteOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    if sys.platform != "linux":
        raise BenchError("the CPU times need Linux")
    machine, cores = describe_machine(), choose_cores()
    with pinned(cores.others):
        say("starting PostgreSQL and Valkey")
        with services() as around:
            runs = asyncio.run(_measured(options, around, cores, say))
            versions = {"python": platform.python_version(), **Worker(around).versions}
    return Report(
        title=f"{options.people:,} followers are told of a post",
        options=asdict(options),
        machine=machine,
        versions=versions,
        notes=list(_notes(options, machine)),
        runs=runs,
        goals=options.goals(),
    )


async def _measured(options: RouteOptions, around: Services, cores: Cores, say: Say) -> list[Run]:
    async with AsyncExitStack() as stack:
        near = await stack.enter_async_context(hall(around.database_url, around.redis_url))
        say(f"making {options.people:,} people, as many with an e-mail, and {options.stored:,} notifications")
        await _settle(near, options)
        await near.pool.execute(f"CREATE DATABASE {FULL}")
        dsn = urlunsplit(urlsplit(around.database_url)._replace(path=f"/{FULL}"))
        await migrate(dsn)
        full = await stack.enter_async_context(hall(dsn, around.redis_url))
        await _settle(full, options)
        site = _Site(options, near, full, cores, say)
        # First of all: once so much is stored at a blow, PostgreSQL tidies up after it for minutes.
        runs = [await site.stall(Worker(around), number) for number in range(1, options.runs + 1)]
        await full.store(options.stored, options.people)
        await site.warm_up()
        runs += [run for number in range(1, options.runs + 1) for run in await site.walks(number)]
        runs += [run for number in range(1, options.runs + 1) for run in await site.grown(number)]
    return _together(runs)


async def _settle(place: Hall, options: RouteOptions) -> None:
    audience = {
        "bench": ("u", options.people),
        MAILED: ("m", options.people),
        "some": ("u", options.some),
        "few": ("u", options.few),
    }
    await place.settle({"u": False, "m": True}, options.people, audience)


class _Site:
    """Where it is measured: in this process, on the server's core, but for what needs a real worker."""

    def __init__(self, options: RouteOptions, near: Hall, full: Hall, cores: Cores, say: Say) -> None:
        self._options = options
        self._near, self._full = near, full
        self._bare = BareCopy(near.pool)
        self._cores, self._say = cores, say

    async def warm_up(self) -> None:
        await self._bare.prepare()
        for place in (self._near, self._full):
            await place.tell("few")
        await self._full.tell("some")

    async def walks(self, number: int) -> list[Run]:
        """Each audience by the hub and by COPY; these are the rows that the walk wrote just before."""
        runs = []
        with pinned(self._cores.server):
            for name, author in WALKS.items():
                await self._near.empty()
                await self._near.tell(author)
                await self._bare.take()
                for _, server in list(turns([OURS, "copy"], 2))[2 * (number % 2) :][:2]:
                    figures = await (self._walk if server == OURS else self._copy)(name, author)
                    runs.append(self._said(Run(server, number, (figures,))))
        return runs

    async def _walk(self, name: str, author: str) -> Told:
        await self._near.empty()
        await self._near.tidy()
        cost, told = await self._near.tell(author)
        return Told.of(name, cost, told=told, expected=self._options.people)

    async def _copy(self, name: str, _author: str) -> Told:
        await self._near.tidy()
        cost, told = await self._bare.copy()
        return Told.of(name, cost, told=told, expected=self._options.people)

    async def grown(self, number: int) -> list[Run]:
        """The same people told where little is stored and where much is."""
        runs = []
        with pinned(self._cores.server):
            for _, server in list(turns([OURS, self._options.before], 2))[2 * (number % 2) :][:2]:
                place = self._full if server == OURS else self._near
                if place is self._near:
                    await place.empty()
                    await place.store(self._options.stored_before, self._options.people)
                cost, told = await place.tell("some")
                figures = Told.of(GROWN, cost, told=told, expected=self._options.some)
                runs.append(self._said(Run(server, number, (figures,))))
        return runs

    async def stall(self, worker: Worker, number: int) -> Run:
        await self._near.empty()
        await self._near.tidy()
        options = self._options
        with worker.working(self._cores.server) as child:
            figures = await stalls(
                self._near,
                child,
                rate=options.rate,
                seconds=options.seconds,
                people=options.people,
                few=options.few,
            )
        return self._said(Run(OURS, number, figures))

    def _said(self, run: Run) -> Run:
        for phase in run.phases:
            self._say(f"run {run.number}, {run.server}, {phase.in_short()}")
        return run


def _together(runs: list[Run]) -> list[Run]:
    """One run for each server and number, with all that was found."""
    found: dict[tuple[str, int], tuple[Figures, ...]] = {}
    for run in runs:
        key = run.server, run.number
        found[key] = (*found.get(key, ()), *run.phases)
    return [Run(server, number, phases) for (server, number), phases in found.items()]


def _notes(options: RouteOptions, machine: Machine) -> Iterator[str]:
    if machine.busy:
        yield f"the machine was at work already (load {machine.load}): don't publish these figures"
    yield "copy: the rows of such a walk, in the form in which they are sent, each table by one COPY"
    yield "everyone has an e-mail: the event is a live start, of which mails are queued; else it is a post"
    yield (
        f"{GROWN}: {options.some:,} people of {options.people:,}, with {options.stored:,} and "
        f"({options.before}) with {options.stored_before:,} notifications and decisions of theirs stored"
    )
    yield (
        f"tips: {options.rate:g} a second, from the commit until a gateway's tail has the notification, with "
        "one `hub work`; while it walks, the figures are those of the tips from its event to its end"
    )
