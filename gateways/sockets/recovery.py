"""Owns connection state recovery: who may come back, on any gateway, and what is owed to them.

The wire form is Socket.IO's own (`pid` in the answer to CONNECT, an offset behind every event, both sent
again by a client that returns), so the stock client recovers by itself. The offset is the number of the
entry in the log. What cannot be proved complete is not recovered: the client is told, and fetches anew.
"""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from bus.telemetry import RECOVERIES
from gateways.sockets.history import History, TooMuchError
from gateways.sockets.namespace import Namespace
from gateways.sockets.records import Records
from schemas.db import RETRYABLE
from schemas.store.socket_sessions import SocketSession, Wanted

log = structlog.get_logger(__name__)

AHEAD_S: Final = 2.0
"""How long a client waits whose last gateway had delivered more than this one."""
PID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
OFFSET: Final = re.compile(r"[0-9]{1,18}")

# All there from the start: Prometheus cannot see an increase in what it never saw before.
OUTCOMES: Final = {
    outcome: RECOVERIES.labels(outcome)
    for outcome in ("recovered", "too_old", "too_much", "unknown", "unavailable", "ahead")
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What a client shows that comes back."""

    pid: str
    offset: int | None

    @classmethod
    def of(cls, auth: object) -> "Claim | None":
        """Read the claim in the `auth` of a sign-in; None where there is none that makes sense."""
        if not isinstance(auth, dict):
            return None
        pid, offset = auth.get("pid"), auth.get("offset")
        if not isinstance(pid, str) or not PID.fullmatch(pid):
            return None
        if offset is None:
            return cls(pid, None)
        if isinstance(offset, str) and OFFSET.fullmatch(offset):
            return cls(pid, int(offset))
        return None


@dataclass(frozen=True, slots=True)
class Owed:
    """What a client is given back."""

    stored: SocketSession
    rooms: Mapping[str, int]
    frames: bytes


class Recovery:
    """Answers those who come back."""

    def __init__(self, records: Records, history: History, *, max_bytes: int) -> None:
        self.history = history
        self.records = records
        self._max_bytes = max_bytes
        self._waiters: dict[asyncio.Future[None], int] = {}

    def begin(self, position: int) -> None:
        """Begin with the entry after a number; who is known from before comes back afresh."""
        self.history.begin(position)
        self.records.forget()

    def moved(self) -> None:
        """Hear that the history has grown."""
        for future, seq in tuple(self._waiters.items()):
            if seq <= self.history.head and not future.done():
                future.set_result(None)

    async def find(self, claim: Claim, namespace: str, user: str) -> bool:
        """Say whether what a client claims is known, once this gateway has caught up with it."""
        wanted = Wanted(pid=claim.pid, namespace=namespace, user=user)
        try:
            stored = await self.records.held(wanted) or await self.records.taken(wanted)
        except RETRYABLE as error:
            log.warning("a session cannot be looked up", error=f"{type(error).__name__}: {error}")
            OUTCOMES["unavailable"].inc()
            return False
        if stored is None:
            OUTCOMES["unknown"].inc()
            return False
        if not await self._reached(max(claim.offset or 0, stored.as_of)):
            OUTCOMES["ahead"].inc()
            return False
        return True

    async def _reached(self, seq: int) -> bool:
        if seq <= self.history.head:
            return True
        future = asyncio.get_running_loop().create_future()
        self._waiters[future] = seq
        try:
            async with asyncio.timeout(AHEAD_S):
                await future
        except TimeoutError:
            return False
        finally:
            del self._waiters[future]
        return True

    def owed(self, claim: Claim, space: Namespace, given: int) -> Owed | None:
        """Answer exactly what a client missed whose session was found, or None if that is not known.

        `given` bytes the connection got in other namespaces. The caller must not wait between this and
        letting the session in.
        """
        stored = self.records.here(claim.pid)
        rooms = None if stored is None else self._rooms(stored, space)
        if stored is None or rooms is None:
            OUTCOMES["too_old"].inc()
            return None
        after = max(claim.offset or 0, min(rooms.values(), default=self.history.head))
        if after >= stored.heard:
            after = max(after, stored.as_of)
        try:
            frames = self.history.missed(space.name, rooms, after, self._max_bytes)
        except TooMuchError:
            OUTCOMES["too_much"].inc()
            self.records.end(claim.pid)  # it will not become less
            return None
        if frames is None:
            OUTCOMES["too_old"].inc()
            return None
        if sum(map(len, frames)) > self._max_bytes - given:
            OUTCOMES["too_much"].inc()  # where other namespaces got less, it may be given yet
            return None
        OUTCOMES["recovered"].inc()
        # The next gateway may not know how quiet a room was before it began; what is proved is passed on.
        proved = {room: max(since, after) for room, since in rooms.items()}
        return Owed(stored, proved, b"".join(frames))

    def _rooms(self, stored: SocketSession, space: Namespace) -> dict[str, int] | None:
        """The rooms as they are today: what the platform said meanwhile is obeyed; None if that is lost."""
        said = self.history.words(stored.user, stored.as_of)
        if said is None:
            return None
        rooms = dict(stored.rooms)
        for seq, words in said:
            match words:
                case ("join", _, space.name, room):
                    rooms.setdefault(room, seq)  # who is in it already has been owed its entries for longer
                case ("leave", _, space.name, room):
                    rooms.pop(room, None)
        return dict.fromkeys(space.rooms_of(stored.user), self.history.head) | rooms
