"""Owns the course of a run: faults under load, then everybody's last words, then the verdict."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bus.tasks import cancel, spawn
from ops.bench.services import Services
from ops.chaos.checking import check
from ops.chaos.clients import Clients
from ops.chaos.faults import plan
from ops.chaos.havoc import Havoc
from ops.chaos.histories import History
from ops.chaos.house import House
from ops.chaos.mixture import last_words
from ops.chaos.publisher import Publisher
from ops.chaos.report import Passed, Report
from ops.chaos.reports import UnreadError
from ops.chaos.truth import Entry, Truth
from schemas.db import connect

PATIENCE_S: Final = 60.0
LOOK_S: Final = 1.0
ROUND_S: Final = 20.0
ROUNDS: Final = 6
LOG: Final = "SELECT seq, event_id, relayed_at FROM relay_log WHERE event_id IS NOT NULL ORDER BY seq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for."""

    seed: int
    seconds: float
    clients: int
    rate: float


@dataclass(frozen=True, slots=True)
class Settled:
    """How it ended for the clients."""

    problems: list[str]
    known: bool = True
    """Whether everything that they told was read, so that what is missing is missing."""


@dataclass(frozen=True, slots=True)
class Course:
    """All that takes part."""

    options: Options
    house: House
    publisher: Publisher
    crowd: Clients
    havoc: Havoc

    async def wreak(self) -> None:
        """Break things, as planned, and wait until all is well again."""
        options = self.options
        breaking = spawn(self.havoc.wreak(plan(options.seed, options.seconds)), name="havoc")
        try:
            while not breaking.done():
                await asyncio.wait({breaking}, timeout=LOOK_S)
                self.crowd.ensure_alive()
                self.publisher.ensure_well()
            await breaking
        finally:
            await cancel(breaking)
        await self.havoc.heal()

    async def settle(self) -> Settled:
        """Have everybody in, publish the last words, and wait for them, and for everybody's own last word."""
        await self.crowd.rest(PATIENCE_S)
        await self.publisher.finish(PATIENCE_S)
        try:
            await self.crowd.last_word()
            problems = [] if await self._last_events() else ["the last events did not reach everyone in time"]
            await self.crowd.rest(PATIENCE_S)
            if restless := await self.crowd.last_word():
                problems.append(f"{restless} sockets were not at rest at the end")
        except UnreadError as unread:
            return Settled([str(unread)], known=False)
        return Settled(problems)

    async def _last_events(self) -> bool:
        """Several times: who comes back afresh in the middle of it has missed what was said before."""
        for _ in range(ROUNDS):
            words = last_words()
            await self.publisher.send(words, PATIENCE_S)
            if await self.crowd.heard(words, ROUND_S):
                return True
        return False

    async def judge(self, settled: Settled) -> Report:
        """Compare what everybody saw with the log."""
        log = await _log(self.house.services)
        truth = Truth(log, self.publisher.sent)
        await asyncio.to_thread(_write, truth, self.house.services.folder)
        histories = list(self.crowd.histories.values())
        passed = Passed.of(histories)
        problems = verdict(settled, histories, truth, passed)
        for member in self.house.members:
            member.look()
            problems += member.deaths
        problems += self.publisher.faults + truth.faults
        return Report(
            **asdict(self.options),
            faults={str(kind): times for kind, times in self.havoc.done.items()},
            published=len(self.publisher.sent),
            relayed=len(log),
            batches_repeated=self.publisher.repeats,
            passed=passed,
            problems=problems,
        )


def verdict(settled: Settled, histories: Sequence[History], truth: Truth, passed: Passed) -> list[str]:
    """What is wrong at the clients; what they missed is not known where reports of theirs are unread."""
    if not settled.known:
        return [*settled.problems]
    return [*settled.problems, *map(str, check(histories, truth)), *passed.problems()]


async def _log(around: Services) -> Sequence[Entry]:
    connection = await connect(around.database_url)
    try:
        return [
            Entry(int(row["seq"]), str(row["event_id"]), row["relayed_at"].timestamp() * 1000)
            for row in await connection.fetch(LOG)
        ]
    finally:
        await connection.close()


def _write(truth: Truth, folder: Path) -> None:
    """Leave it beside what the clients told."""
    with (folder / "log.jsonl").open("w") as file:
        for seq, event in truth.events.items():
            entry = {"seq": seq, "id": event.id, "rooms": event.rooms, "sent": event.at}
            file.write(json.dumps({**entry, "logged": truth.logged[seq]}) + "\n")
