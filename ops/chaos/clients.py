"""Owns the clients: a Node process full of stock ones, and the histories that they tell."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import IO, Any, Final

from bus.tasks import cancel, spawn
from ops.bench.errors import BenchError
from ops.chaos.histories import OWN_ROOMS, History, Received, read
from ops.chaos.mixture import TO_CHOOSE_FROM, Made
from ops.embedded.account import ours

FOLDER: Final = Path(__file__).with_name("client")
LONGEST_LINE: Final = 1 << 26
LOOK_S: Final = 0.05
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
        self, people: Iterable[Person], process: asyncio.subprocess.Process, record: IO[str]
    ) -> None:
        self.histories = {
            (one.name, space): History(one.name, space, upgrades=len(one.transports) > 1)
            for one in people
            for space in OWN_ROOMS
        }
        self.busy = len(self.histories)
        """How many of them are not at rest."""
        self._complete = False
        self._awaited: dict[str, set[tuple[str, str]]] = {}
        self._process = process
        self._record = record
        self._reading = spawn(self._read(), name="clients")

    async def all_in(self, within_s: float) -> None:
        """Wait until each has entered every namespace."""

        def entered() -> bool:
            return all(history.connected for history in self.histories.values())

        if not await self._until(entered, within_s):
            raise BenchError(f"the clients did not get in within {within_s:.0f} s")

    async def rest(self, within_s: float) -> bool:
        """Have them change nothing any more; says whether all came to rest."""
        await self._say("rest")
        return await self._until(
            lambda: self.busy == 0 and all(one.rested for one in self.histories.values()), within_s
        )

    async def heard(self, words: Sequence[Made], within_s: float) -> bool:
        """Wait until each has the last of these events that is for it; says whether it came to that.

        With that the histories are complete: nothing is added to them any more.
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

        return await self._until(all_there, within_s)

    def _owed(self, words: Sequence[Made]) -> Iterable[tuple[tuple[str, str], str]]:
        for place, history in self.histories.items():
            rooms = history.wants.union(history.own_rooms)
            meant = [one.id for one in words if not rooms.isdisjoint(one.rooms.get(history.namespace, ()))]
            if meant:
                yield place, meant[-1]

    async def end(self) -> None:
        await cancel(self._reading)
        with suppress(OSError):
            await self._say("end")
        try:
            await asyncio.wait_for(self._process.wait(), END_S)
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
        if self._reading.done():
            error = None if self._reading.cancelled() else self._reading.exception()
            raise BenchError(f"the clients' Node.js process ended: {error or 'see above'}")

    async def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  it is a pipe
        async for line in self._process.stdout:
            said = json.loads(line)
            for told in said["told"]:
                self._record.write(json.dumps(told) + "\n")
                self._note(*told)
            self.busy = said["busy"]

    def _note(self, client: str, namespace: str, kind: str, at: float, *more: Any) -> None:
        history = self.histories[client, namespace]
        if self._complete:
            return
        if kind == "wants":
            history.wants, history.rested = frozenset(more[0]), True
            return
        moment = read(kind, at, more)
        history.moments.append(moment)
        if isinstance(moment, Received) and moment.id in self._awaited:
            self._awaited[moment.id].add((client, namespace))


@asynccontextmanager
async def clients(node: str, people: Sequence[Person], folder: Path) -> AsyncIterator[Clients]:
    """Run them meanwhile."""
    command = ours().command(SIGTERM, [node, FOLDER / "clients.mjs"])
    with (folder / "clients.jsonl").open("w") as record:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LONGEST_LINE,
            start_new_session=True,  # Ctrl-C is for the command, which then ends it
        )
        assert process.stdin is not None  # noqa: S101  it is a pipe
        given = [
            {
                "name": one.name,
                "token": one.token,
                "url": one.url,
                "transports": one.transports,
                "seed": one.seed,
            }
            for one in people
        ]
        process.stdin.write(json.dumps({"people": given, "rooms": TO_CHOOSE_FROM}).encode() + b"\n")
        made = Clients(people, process, record)
        try:
            yield made
        finally:
            await made.end()
