"""Owns what a server under measurement is, and where its clients are."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from ops.bench.children import Child

START_SECONDS: Final = 30
PAYLOAD_USER: Final = "user"
"""The member of every CONNECT payload that names the user; servers without tokens go by it."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A namespace, and the room in it that all clients are in; with `unicast` each is in one of its own."""

    namespace: str
    room: str
    unicast: bool = False


EVERYBODY: Final = Audience("/feed", "feed")
"""Whoever connects to /feed is in it."""
EACH: Final = Audience("/notifications", "user:bench-", unicast=True)


class Server(Protocol):
    """One side of the comparison."""

    @property
    def name(self) -> str: ...

    @property
    def stream(self) -> str:
        """Where the generator puts the events."""
        ...

    @property
    def versions(self) -> Mapping[str, str]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def running(self, port: int, cores: frozenset[int]) -> AbstractContextManager[Child]:
        """Run it on these cores meanwhile; it is ready and reads its stream from the end on."""
        ...
