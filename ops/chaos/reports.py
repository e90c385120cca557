"""Owns the clients' reports: the file that they are in, read as it grows, and what is unread of it."""

import asyncio
import json
from collections.abc import Callable, Iterable
from io import FileIO
from typing import Any, Final

CHUNK: Final = 1 << 18
"""Read at once; to take it costs the loop some 25 ms."""
LOOK_S: Final = 0.05

Place = tuple[str, str]
"""A client in a namespace."""


class UnreadError(Exception):
    """What the clients saw is not known to the end, so nothing can be said of what they did not see."""


class Reports:
    """A file, because a pipe holds 64 KB only, and then waits for this loop, which carries the line, too."""

    def __init__(self, places: Iterable[Place], file: FileIO, note: Callable[..., None]) -> None:
        self.told = 0
        """How many lines there are, as the clients' process says."""
        self.read = 0
        self.restless: set[Place] = set()
        """Who was not at rest by its latest word."""
        self.owing: set[Place] = set()
        """Who has not said the word that was asked for last, or more before it than was read."""
        self._lines = dict.fromkeys(places, 0)
        self._asked = 0
        self._file = file
        self._note = note

    def ask(self) -> int:
        """Begin to wait for a word of each; answers its number."""
        self._asked += 1
        self.owing = set(self._lines)
        return self._asked

    async def follow(self) -> None:
        """Take what is there and what comes, without end."""
        begun = b""
        while True:
            chunk = self._file.read(CHUNK) or b""
            *lines, begun = (begun + chunk).split(b"\n")
            for line in lines:
                self._take(*json.loads(line))
            await asyncio.sleep(0 if len(chunk) == CHUNK else LOOK_S)

    def unread(self) -> UnreadError:
        clients = {client for client, _ in self._lines}
        late = {client for client, _ in self.owing}
        return UnreadError(
            "nothing can be proved: the clients' reports were not read in time"
            f" ({len(late)} of {len(clients)} clients, {max(0, self.told - self.read)} lines behind)"
        )

    def _take(self, client: str, namespace: str, kind: str, at: float, *more: Any) -> None:
        place = client, namespace
        self.read += 1
        if kind == "word":
            self._hear(place, *more)
            return
        self._lines[place] += 1
        self._note(client, namespace, kind, at, *more)

    def _hear(self, place: Place, number: int, lines: int, rests: bool) -> None:
        if rests:
            self.restless.discard(place)
        else:
            self.restless.add(place)
        if number == self._asked and lines == self._lines[place]:
            self.owing.discard(place)
