"""Owns who is in which room on this gateway."""

from collections.abc import Iterable, KeysView, Mapping, Sequence

from bus.base import Target, place
from gateways.sockets.connection import Session
from gateways.sockets.engine_socket import EngineSocket

Sockets = dict[EngineSocket, bool]
"""Whether each asked for recovery, in the order in which they came: thus roughly as they lie in memory."""
Parts = Sequence[tuple[bool, Sequence[EngineSocket]]]
"""Sockets by whether they asked for recovery and get packets with their numbers; no part is empty."""


class Room:
    """The sockets in one room of a namespace; a delivery to all of them does not look at their sessions."""

    __slots__ = ("_parts", "sockets")

    def __init__(self) -> None:
        self.sockets: Sockets = {}
        self._parts: Parts | None = None

    def add(self, session: Session) -> None:
        self.sockets[session.connection.socket] = session.recovers
        self._parts = None

    def discard(self, session: Session) -> None:
        self.sockets.pop(session.connection.socket, None)
        self._parts = None

    def parts(self) -> Parts:
        """Who is in it now; this stays as it is when somebody leaves, as sending may end a session."""
        if self._parts is None:
            self._parts = _parts(self.sockets)
        return self._parts


class Membership:
    """The signed-in sessions, by room and by user. Leaving costs what the session has, not what there is."""

    def __init__(self) -> None:
        self._places: dict[bytes, Room] = {}
        self._users: dict[str, dict[Session, None]] = {}

    def add(self, session: Session, rooms: Mapping[str, int]) -> None:
        """Let a session in; each room comes with the number after which its entries are for the session."""
        self._users.setdefault(session.user, {})[session] = None
        for room, since in rooms.items():
            self.join(session, (room,), since)

    def join(self, session: Session, rooms: Iterable[str], since: int) -> None:
        if session not in self._users.get(session.user, ()):
            return  # it ended while its event was handled: nobody would ever take it out again
        for room in rooms:
            self._places.setdefault(place(session.namespace, room), Room()).add(session)
            session.rooms.setdefault(room, since)

    def leave(self, session: Session, rooms: Iterable[str]) -> None:
        for room in session.rooms.keys() & set(rooms):
            key = place(session.namespace, room)
            found = self._places[key]
            found.discard(session)
            if not found.sockets:
                del self._places[key]
            del session.rooms[room]

    def remove(self, session: Session) -> None:
        self.leave(session, tuple(session.rooms))
        if (theirs := self._users.get(session.user)) is None:
            return
        theirs.pop(session, None)
        if not theirs:
            del self._users[session.user]

    def places(self) -> KeysView[bytes]:
        """Where anybody is."""
        return self._places.keys()

    def members(self, target: Target) -> Parts:
        """Who is in any of the rooms, each once."""
        known = self._places
        if not target.several:
            room = known.get(target.name)
            return room.parts() if room else ()
        together: Sockets = {}
        for one in target.several:
            if room := known.get(one):
                together |= room.sockets
        return _parts(together)

    def of_user(self, user: str) -> Sequence[Session]:
        return tuple(self._users.get(user, ()))


def _parts(sockets: Sockets) -> Parts:
    plain = tuple(socket for socket, asked in sockets.items() if not asked)
    numbered = tuple(socket for socket, asked in sockets.items() if asked)
    return tuple((asked, part) for asked, part in ((False, plain), (True, numbered)) if part)
