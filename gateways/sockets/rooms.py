"""Owns rooms that change while a session is open: first the room, then its record, then the answer."""

from collections.abc import Iterable

from gateways.sockets.connection import Session
from gateways.sockets.history import History
from gateways.sockets.membership import Membership
from gateways.sockets.records import Records


class Rooms:
    """What clients ask for, and what the platform says of its users.

    A client believes in the rooms that were acknowledged, also when it comes back to another gateway. So
    nothing is acknowledged that is not stored, and what cannot be stored does not stay.
    """

    def __init__(self, membership: Membership, records: Records, history: History) -> None:
        self._membership = membership
        self._records = records
        self._history = history

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
