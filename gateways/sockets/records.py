"""Owns this gateway's sessions that may come back: in memory, and as rows that other gateways take over.

A session belongs to one gateway, by its row. Nothing is given back from memory before the row has said
that it still is ours: its client may have been at another gateway meanwhile, and changed rooms there.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from sys import getsizeof
from typing import Final

from bus.tasks import forever
from gateways.sockets.batching import Batcher
from gateways.sockets.closing import Closing
from gateways.sockets.connection import Session
from gateways.sockets.history import History
from schemas.db import RETRYABLE
from schemas.store.socket_sessions import SocketSession, SocketSessions, Wanted

AT_A_TIME: Final = 500
BEATS: Final = 8
"""How often in a recovery window a gateway says that it lives."""
SLOWEST_BEAT_S: Final = 5.0
SETTLE_S: Final = 3.0
LEFT_BYTES: Final = 128 << 20
"""How much memory sessions take whose clients are gone, roughly; the database knows the others."""
SESSION_BYTES: Final = 1000
"""What one of them takes, beside its rooms."""
ROOM_BYTES: Final = 100
"""What a room takes, beside its name."""


class Left:
    """Sessions whose clients are gone, for as long as they may come back; the oldest give way."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._sessions: OrderedDict[str, tuple[float, SocketSession]] = OrderedDict()
        self._size = 0

    def put(self, session: SocketSession) -> None:
        self.pop(session.pid)
        self._sessions[session.pid] = (asyncio.get_running_loop().time() + self._window_s, session)
        self._size += _size(session)
        while self._size > LEFT_BYTES:
            self.pop(next(iter(self._sessions)))

    def get(self, pid: str) -> SocketSession | None:
        until, session = self._sessions.get(pid, (0.0, None))
        return session if until > asyncio.get_running_loop().time() else None

    def pop(self, pid: str) -> SocketSession | None:
        _, session = self._sessions.pop(pid, (0.0, None))
        if session is not None:
            self._size -= _size(session)
        return session

    def forget_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._sessions and next(iter(self._sessions.values()))[0] <= now:
            self.pop(next(iter(self._sessions)))

    def pids(self) -> Iterable[str]:
        return self._sessions.keys()

    def clear(self) -> None:
        self._sessions.clear()
        self._size = 0


def _size(session: SocketSession) -> int:
    return SESSION_BYTES + ROOM_BYTES * len(session.rooms) + sum(map(getsizeof, session.rooms))


class Records:
    """The sessions of this gateway that asked for recovery: connected, or gone for a while."""

    def __init__(self, store: SocketSessions, history: History, *, window_s: float) -> None:
        self._history = history
        self._store = store
        self._window_s = window_s
        self._live: dict[str, Session] = {}
        self._left = Left(window_s)
        self._saves = Batcher(self._save, name="session save", most=AT_A_TIME)
        self._takes = Batcher(self._take, name="session take", most=AT_A_TIME)
        self._new: set[str] = set()
        """Sessions that may have no row yet."""
        self._failed: set[str] = set()
        """Sessions whose row is not what it should be."""
        self._stored_upto = 0
        self._beaten = self._sweep_at = 0.0

    async def run(self) -> None:
        """Say again and again that this gateway lives; run it as a background task."""

        async def beat() -> None:
            while True:
                await self._beat()
                await asyncio.sleep(pause)

        pause = min(SLOWEST_BEAT_S, self._window_s / BEATS)
        await forever(beat, name="recovery", pause_s=pause)

    async def _beat(self) -> None:
        head, now = self._history.head, asyncio.get_running_loop().time()
        for pid in tuple(self._failed):
            self._saves.put(pid, self.here(pid))
        await self._saves.flush()
        if not self._failed:  # else others would take rooms as they are stored for rooms as they were then
            self._stored_upto = head
        await self._store.seen(self._stored_upto)
        self._left.forget_old()
        if now > self._beaten + self._window_s:
            self._sweep_at = now + self._window_s  # who could not say that they live get time to do so
        elif now >= self._sweep_at:
            await self._store.sweep()
            self._sweep_at = now + self._window_s
        self._beaten = now

    def forget(self) -> None:
        """Let nobody come back who is known: it was another course of events."""
        for pid in (*self._live, *self._left.pids()):
            self._saves.put(pid, None)
        self._live.clear()
        self._left.clear()
        self._stored_upto = 0

    def began(self, session: Session) -> None:
        """Remember a session from its first moment on; without its row another gateway begins it afresh."""
        if session.recovers:
            self._live[session.pid] = session
            if self._left.pop(session.pid) is None:
                self._new.add(session.pid)
            self.note(session)

    def note(self, session: Session) -> None:
        """Store the rooms of a session when there is time."""
        if self._live.get(session.pid) is session:
            self._saves.put(session.pid, self._record(session))

    async def changed(self, session: Session) -> None:
        """Store the rooms of a session; only then may its client believe in them. Raises RETRYABLE errors.

        A session that has ended meanwhile stays as it was.
        """
        if self._live.get(session.pid) is session:
            await self._saves.ask(session.pid, self._record(session))

    def ended(self, session: Session, *, for_good: bool) -> None:
        """Keep what a client can come back to, unless it left for good."""
        if self._live.get(session.pid) is not session:
            return  # it has come back already, or is another gateway's
        record = None if for_good else self._record(session, connected=False)
        del self._live[session.pid]
        if record is not None:
            self._left.put(record)
        self._saves.put(session.pid, record)

    def end(self, pid: str) -> None:
        """Let nobody come back to a session; who still takes it for connected is cut."""
        self._lose(pid)
        self._saves.put(pid, None)

    def _record(self, session: Session, *, connected: bool = True) -> SocketSession:
        return SocketSession(
            pid=session.pid,
            sid=session.sid,
            namespace=session.namespace,
            user=session.user,
            rooms=dict(session.rooms),
            as_of=self._history.head,
            heard=self._history.last(session.namespace, session.rooms),
            connected=connected,
        )

    def here(self, pid: str) -> SocketSession | None:
        """Answer a session as it is now, if it is this gateway's."""
        session = self._live.get(pid)
        return self._left.get(pid) if session is None else self._record(session)

    async def settled(self) -> None:
        """Wait until what was said of the sessions is stored, as far as it can be."""
        with contextlib.suppress(*RETRYABLE):
            async with asyncio.timeout(SETTLE_S):
                await self._saves.flush()

    async def _save(self, records: Mapping[str, SocketSession | None]) -> Mapping[str, bool]:
        """Write records, or that there is nothing to come back to; answers which rows are still ours."""
        kept = {pid: record for pid, record in records.items() if record is not None}
        new = [record for pid, record in kept.items() if pid in self._new]
        known = [record for pid, record in kept.items() if pid not in self._new]
        try:
            ours = await self._store.begin(new) if new else set()
            ours |= await self._store.save(known) if known else set()
            if gone := [pid for pid in records if pid not in kept]:
                await self._store.end(gone)
        except Exception:
            self._failed.update(records)
            raise
        self._failed.difference_update(records)
        self._new.difference_update(records)
        for pid in kept.keys() - ours:
            self._lose(pid)
        return dict.fromkeys(ours, True)

    def _lose(self, pid: str) -> None:
        """Let go of a session that another gateway has taken over."""
        self._left.pop(pid)
        session = self._live.pop(pid, None)
        if session is not None:
            session.connection.socket.close(Closing.REPLACED)

    async def _take(self, wanted: Mapping[Wanted, None]) -> Mapping[Wanted, SocketSession]:
        taken = await self._store.take(list(wanted))
        return {one: taken[one.pid] for one in wanted if one.pid in taken}

    async def held(self, wanted: Wanted) -> SocketSession | None:
        """Answer a session of this gateway that still is; it is stored, but nothing is read."""
        stored = self.here(wanted.pid)
        if stored is None or (stored.namespace, stored.user) != (wanted.namespace, wanted.user):
            return None
        return stored if await self._saves.ask(wanted.pid, stored) else None

    async def taken(self, wanted: Wanted) -> SocketSession | None:
        """Answer a session of any gateway; from now on it is this one's."""
        await self._saves.flush()  # that it ended, for instance
        if wanted.pid in self._failed:
            return None
        stored = await self._takes.ask(wanted, None)
        if stored is not None and wanted.pid not in self._live:
            self._left.put(stored)
        return stored

    def take_over(self, pid: str) -> Session | None:
        """Answer the session that this gateway still took for connected; from now on it has left."""
        session = self._live.pop(pid, None)
        if session is not None:
            record = self._record(session, connected=False)
            self._left.put(record)
            self._saves.put(pid, record)
        return session
