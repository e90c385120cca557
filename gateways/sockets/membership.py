"""Owns who is in which room on this gateway."""

from collections.abc import Iterable, Mapping, Sequence

from gateways.sockets.connection import Session


class Membership:
    """The signed-in sessions, by room and by user. Leaving costs what the session has, not what there is."""

    def __init__(self) -> None:
        self._rooms: dict[str, dict[str, set[Session]]] = {}
        self._users: dict[str, set[Session]] = {}

    def add(self, session: Session, rooms: Mapping[str, int]) -> None:
        """Let a session in; each room comes with the number after which its entries are for the session."""
        self._users.setdefault(session.user, set()).add(session)
        for room, since in rooms.items():
            self.join(session, (room,), since)

    def join(self, session: Session, rooms: Iterable[str], since: int) -> None:
        if session not in self._users.get(session.user, ()):
            return  # it ended while its event was handled: nobody would ever take it out again
        namespace = self._rooms.setdefault(session.namespace, {})
        for room in rooms:
            namespace.setdefault(room, set()).add(session)
            session.rooms.setdefault(room, since)

    def leave(self, session: Session, rooms: Iterable[str]) -> None:
        namespace = self._rooms.get(session.namespace, {})
        for room in session.rooms.keys() & set(rooms):
            _discard(namespace, room, session)
            del session.rooms[room]

    def remove(self, session: Session) -> None:
        self.leave(session, tuple(session.rooms))
        _discard(self._users, session.user, session)

    def members(self, namespace: str, rooms: Sequence[str]) -> Sequence[Session]:
        """Who is in any of the rooms, each once; a copy, because sending may end a session."""
        known = self._rooms.get(namespace, {})
        found = [known[room] for room in rooms if room in known]
        return tuple(found[0] if len(found) == 1 else set[Session]().union(*found))

    def of_user(self, user: str) -> Sequence[Session]:
        return tuple(self._users.get(user, ()))


def _discard(sets: dict[str, set[Session]], key: str, session: Session) -> None:
    members = sets.get(key)
    if members is None:
        return
    members.discard(session)
    if not members:
        del sets[key]
