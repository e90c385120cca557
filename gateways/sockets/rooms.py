"""Owns rooms that change while a session is open: first the room, then its record, then the answer."""

from collections.abc import Collection, Iterable

from gateways.config import Limits
from gateways.sockets.connection import Session
from gateways.sockets.history import History
from gateways.sockets.membership import Membership
from gateways.sockets.namespace import RefusedError
from gateways.sockets.records import Records


class Rooms:
    """What clients ask for, and what the platform says of its users.

    A client believes in the rooms that were acknowledged, also when it comes back to another gateway. So
    nothing is acknowledged that is not stored, and what cannot be stored does not stay.
    """

    def __init__(self, membership: Membership, records: Records, history: History, limits: Limits) -> None:
        self._membership = membership
        self._records = records
        self._history = history
        self._most = limits.socket_rooms
        self._most_bytes = limits.socket_room_bytes

    def check(self, rooms: Collection[str], path: str) -> None:
        """Refuse more rooms than a session may ask to be in; `path` is the member that asks for too much."""
        if len(rooms) > self._most:
            raise RefusedError("invalid", f"at most {self._most:,} rooms at a time: leave some first", path)
        if sum(len(room.encode()) for room in rooms) > self._most_bytes:
            raise RefusedError(
                "invalid",
                f"the names of all rooms together have at most {self._most_bytes:,} bytes"
                " (socket_room_bytes): leave some first",
                path,
            )

    async def join(self, session: Session, rooms: Iterable[str]) -> None:
        """Enter rooms. Raises RETRYABLE errors."""
        if not (fresh := set(rooms) - session.rooms.keys()):
            return
        self._membership.join(session, fresh, self._history.head)
        try:
            await self._records.changed(session)
        except BaseException:
            self._membership.leave(session, fresh)
            self._records.note(session)
            raise

    async def leave(self, session: Session, rooms: Iterable[str]) -> None:
        """Leave rooms. Raises RETRYABLE errors; the client then hears a little more than it wants."""
        if gone := session.rooms.keys() & set(rooms):
            self._membership.leave(session, gone)
            await self._records.changed(session)

    def obey_join(self, seq: int, user: str, namespace: str, room: str) -> None:
        """Let all sessions of a user into a room from an entry of the log on."""
        for session in self._membership.of_user(user):
            if session.namespace == namespace:
                self._membership.join(session, (room,), seq)
                self._records.note(session)

    def obey_leave(self, _: int, user: str, namespace: str, room: str) -> None:
        """Take all sessions of a user out of a room."""
        for session in self._membership.of_user(user):
            if session.namespace == namespace:
                self._membership.leave(session, (room,))
                self._records.note(session)
