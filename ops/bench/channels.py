"""Owns `bench channels`: each channel against its simulator, beside the bare library in a loop."""

import asyncio
import json
import platform
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Final, cast
from urllib.request import urlopen

from ops.bench.channels_figures import CPU, TIME, Sent
from ops.bench.channels_queue import make_people
from ops.bench.channels_seat import CHANNELS, Channel, Found, Seat, Who
from ops.bench.children import running
from ops.bench.comparison import turns
from ops.bench.cpu import Cores, Machine, choose_cores, describe_machine, pinned
from ops.bench.errors import BenchError
from ops.bench.goals import Goal
from ops.bench.hubs import without_settings
from ops.bench.prepare import Say
from ops.bench.report import OURS, Report
from ops.bench.results import Run
from ops.bench.services import Services, services
from ops.embedded.account import ours
from schemas.db import create_pool

BARE: Final = "sdk"
ONE_BY_ONE: Final = "loop"
LIBRARIES: Final = ("firebase-admin", "twilio", "resend", "aiosmtplib", "aiogram")
START_S: Final = 30
PATIENCE_S: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelsOptions:
    """What to measure; the defaults are what figures are published for."""

    messages: int = 2_000
    warm: int = 200
    runs: int = 5
    channels: tuple[Channel, ...] = CHANNELS

    def goals(self) -> list[Goal]:
        """What the library costs in a loop, and half of that for all the hub does beside; and no slower.

        With as many calls under way as the hub has (`sdk`), the library is shown, too, and is no goal: both
        fill their core then, and who does more per message is slower by as much.
        """
        return [
            goal
            for name in self.channels
            for goal in (Goal(name, CPU, 1.5, peer=ONE_BY_ONE), Goal(name, TIME, 1.0, peer=ONE_BY_ONE))
        ]


def quick(channels: tuple[Channel, ...] = CHANNELS) -> ChannelsOptions:
    """A run that shows that everything works; its figures mean nothing."""
    return ChannelsOptions(messages=60, warm=10, runs=1, channels=channels)


def run_channels(options: ChannelsOptions, say: Say = lambda _: None) -> Report:
    """Measure, which takes minutes; raises BenchError when that cannot be done here."""
    if sys.platform != "linux":
        raise BenchError("the CPU times need Linux")
    machine, cores = describe_machine(), choose_cores()
    with pinned(cores.others):
        say("starting PostgreSQL and the simulators")
        with services() as around, _simulators(around, cores) as urls:
            asyncio.run(_people(around.database_url, max(options.messages, options.warm)))
            site = _Site(options, around, urls, cores, say)
            runs = [
                site.measure(who, number) for number, who in turns([OURS, BARE, ONE_BY_ONE], options.runs)
            ]
    return Report(
        title=f"{options.messages:,} messages on each channel",
        options=asdict(options),
        machine=machine,
        versions={"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        notes=list(_notes(machine, cores)),
        runs=runs,
        goals=options.goals(),
    )


async def _people(dsn: str, count: int) -> None:
    pool = await create_pool(dsn, statement_timeout_s=0)
    try:
        await make_people(pool, count)
    finally:
        await pool.close()


@contextmanager
def _simulators(around: Services, cores: Cores) -> Iterator[dict[str, str]]:
    file = around.folder / "simulators.json"
    command = [sys.executable, "-P", "-m", "ops.bench.channels_simulators", str(file)]
    with running(
        "simulators", command, environment=without_settings(), folder=around.folder, cores=cores.others
    ) as child:
        child.wait_until(file.exists, START_S)
        yield json.loads(file.read_text())
        child.ensure_alive()


class _Site:
    """Where it is measured; each sender is a process of its own, which has the server's core for itself."""

    def __init__(
        self, options: ChannelsOptions, around: Services, urls: dict[str, str], cores: Cores, say: Say
    ) -> None:
        self._options = options
        self._around = around
        self._urls = urls
        self._cores = cores
        self._say = say

    def measure(self, who: str, number: int) -> Run:
        figures = []
        for channel in self._options.channels:
            found = self._sent(who, channel)
            self._say(f"run {number}, {who}, {found.in_short()}")
            figures.append(found)
        return Run(who, number, tuple(figures))

    def _sent(self, who: str, channel: Channel) -> Sent:
        options = self._options
        seat = Seat(
            who=cast("Who", who),
            channel=channel,
            count=options.messages,
            warm=options.warm,
            url=self._urls[channel],
            dsn=self._around.database_url,
        )
        self._arrived()
        found = self._run(seat)
        arrived = self._arrived()[channel] - options.warm
        return Sent.of(channel, found.cost, expected=options.messages, sent=found.sent, arrived=arrived)

    def _run(self, seat: Seat) -> Found:
        command = [sys.executable, "-P", "-m", "ops.bench.channels_alone", seat.model_dump_json()]
        with pinned(self._cores.server):
            done = subprocess.run(  # noqa: S603  our own program
                ours().command(signal.SIGKILL, command),
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_S,
                cwd=self._around.folder,
                env=without_settings(),
            )
        if done.returncode != 0:
            raise BenchError(f"{seat.who} on {seat.channel} failed:\n{done.stderr[-3000:]}")
        return Found.model_validate_json(done.stdout.splitlines()[-1])

    def _arrived(self) -> dict[str, int]:
        """What has arrived at the simulators since this was asked before."""
        with urlopen(f"{self._urls['counts']}/counts", timeout=START_S) as answer:  # noqa: S310  of our own
            found: dict[str, int] = json.load(answer)
        return found


def _notes(machine: Machine, cores: Cores) -> Iterator[str]:
    if machine.busy:
        yield f"the machine was at work already (load {machine.load}): don't publish these figures"
    if not cores.server:
        yield "there is only one core, or none can be chosen: all disturbed each other"
    yield "hub: deliveries from the queue in PostgreSQL, decided about again, written, sent, and noted"
    yield f"{ONE_BY_ONE}: the bare library in a loop, as documented; what is sent is written before"
    yield f"{BARE}: the same with as many calls under way as the hub has"
    yield "CPU of the hub is its own and that of PostgreSQL's backends for it; of the simulators none"
