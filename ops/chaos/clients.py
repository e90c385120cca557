"""Owns the clients: a Node process full of stock ones, and the histories that they tell."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from signal import SIGTERM
from typing import Any, Final

from bus.tasks import cancel, spawn
from ops.bench.errors import BenchError
from ops.chaos.histories import OWN_ROOMS, History, Received, read
from ops.chaos.mixture import TO_CHOOSE_FROM, Made
from ops.chaos.reports import Place, Reports
from ops.embedded.account import ours

FOLDER: Final = Path(__file__).with_name("client")
LOOK_S: Final = 0.05
READ_S: Final = 300.0
"""For reading what was told: a machine that is busy may be far behind, and the hub has no part in it."""
END_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Person:
    """A client to be."""

    name: str
    token: str
    url: str
    transports: Sequence[str]
    seed: int


class Clients:
    """What they have told so far."""

    def __init__(
        self, people: Iterable[Person], process: asyncio.subprocess.Process, reports: FileIO
    ) -> None:
        self.histories = {
            (one.name, space): History(one.name, space, upgrades=len(one.transports) > 1)
            for one in people
            for space in OWN_ROOMS
        }
        self.busy = len(self.histories)
        """How many of them are not at rest."""
        self._complete = False
        self._awaited: dict[str, set[Place]] = {}
        self._process = process
        self._reports = Reports(self.histories, reports, self._note)
        self._reading = (
            spawn(self._watch(), name="clients"),
            spawn(self._reports.follow(), name="clients' reports"),
        )

    @property
    def told(self) -> int:
        """How many lines they have told, as they say; not all of them need to be read."""
        return self._reports.told

    async def all_in(self, within_s: float) -> None:
        """Wait until each has entered every namespace."""

        def entered() -> bool:
            return all(history.connected for history in self.histories.values())

        if not await self._until(entered, within_s):
            raise BenchError(f"the clients did not get in within {within_s:.0f} s")

    async def rest(self, within_s: float) -> None:
        """Have them change nothing any more, and give them time to come to rest."""
        await self._say("rest")
        await self._until(lambda: self.busy == 0, within_s)

    async def last_word(self) -> int:
        """Wait until all that they have told by now is read; answers how many of them are not at rest.

        Raises UnreadError when that takes too long.
        """
        number = self._reports.ask()
        await self._say(f"word {number}")
        if not await self._until(lambda: not self._reports.owing, READ_S):
            raise self._reports.unread()
        return len(self._reports.restless)

    async def heard(self, words: Sequence[Made], within_s: float) -> bool:
        """Wait until each has the last of these events that is for it; says whether it came to that.

        With that the histories are complete: nothing is added to them any more. Raises UnreadError when it
        cannot be said, because what they told is not read yet.
        """
        for one in words:
            self._awaited[one.id] = set()
        missing = dict(self._owed(words))

        def all_there() -> bool:
            there = [place for place, event in missing.items() if place in self._awaited[event]]
            for place in there:
                del missing[place]
            self._complete = not missing and all(one.connected for one in self.histories.values())
            return self._complete

        if await self._until(all_there, within_s):
            return True
        await self.last_word()
        return all_there()

    def _owed(self, words: Sequence[Made]) -> Iterable[tuple[Place, str]]:
        for place, history in self.histories.items():
            rooms = history.wants.union(history.own_rooms)
            meant = [one.id for one in words if not rooms.isdisjoint(one.rooms.get(history.namespace, ()))]
            if meant:
                yield place, meant[-1]

    async def end(self) -> None:
        await cancel(*self._reading)
        with suppress(OSError):
            await self._say("end")
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _say(self, word: str) -> None:
        assert self._process.stdin is not None  # noqa: S101  it is a pipe
        self._process.stdin.write(word.encode() + b"\n")
        await self._process.stdin.drain()

    async def _until(self, true: Callable[[], bool], within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not true():
                    self.ensure_alive()
                    await asyncio.sleep(LOOK_S)
        return true()

    def ensure_alive(self) -> None:
        for task in self._reading:
            if task.done():
                error = None if task.cancelled() else task.exception()
                raise BenchError(f"the clients' Node.js process ended: {error or 'see above'}")

    async def _watch(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  it is a pipe
        async for line in self._process.stdout:
            said = json.loads(line)
            self.busy, self._reports.told = said["busy"], said["told"]

    def _note(self, client: str, namespace: str, kind: str, at: float, *more: Any) -> None:
        history = self.histories[client, namespace]
        if self._complete:
            return
        if kind == "wants":
            history.wants = frozenset(more[0])
            return
        moment = read(kind, at, more)
        history.moments.append(moment)
        if isinstance(moment, Received) and moment.id in self._awaited:
            self._awaited[moment.id].add((client, namespace))


@asynccontextmanager
async def clients(node: str, people: Sequence[Person], folder: Path) -> AsyncIterator[Clients]:
    """Run them meanwhile."""
    command = ours().command(SIGTERM, [node, FOLDER / "clients.mjs"])
    path = folder / "clients.jsonl"
    path.touch()
    with path.open("rb", buffering=0) as reports:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the command, which then ends it
        )
        assert process.stdin is not None  # noqa: S101  it is a pipe
        given = {"people": [asdict(one) for one in people], "rooms": TO_CHOOSE_FROM, "reports": str(path)}
        process.stdin.write(json.dumps(given).encode() + b"\n")
        made = Clients(people, process, reports)
        try:
            yield made
        finally:
            await made.end()
