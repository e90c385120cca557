"""Owns who is in which room on this gateway."""

from collections.abc import Iterable, KeysView, Mapping, Sequence
from typing import TypeVar

from bus.base import Target, place
from gateways.sockets.connection import Session

Key = TypeVar("Key", str, bytes)


Members = dict[Session, None]
"""In the order in which they came, thus roughly as they lie in memory: among thousands, that counts."""


class Membership:
    """The signed-in sessions, by room and by user. Leaving costs what the session has, not what there is."""

    def __init__(self) -> None:
        self._places: dict[bytes, Members] = {}
        self._users: dict[str, Members] = {}

    def add(self, session: Session, rooms: Mapping[str, int]) -> None:
        """Let a session in; each room comes with the number after which its entries are for the session."""
        self._users.setdefault(session.user, {})[session] = None
        for room, since in rooms.items():
            self.join(session, (room,), since)

    def join(self, session: Session, rooms: Iterable[str], since: int) -> None:
        if session not in self._users.get(session.user, ()):
            return  # it ended while its event was handled: nobody would ever take it out again
        for room in rooms:
            self._places.setdefault(place(session.namespace, room), {})[session] = None
            session.rooms.setdefault(room, since)

    def leave(self, session: Session, rooms: Iterable[str]) -> None:
        for room in session.rooms.keys() & set(rooms):
            _discard(self._places, place(session.namespace, room), session)
            del session.rooms[room]

    def remove(self, session: Session) -> None:
        self.leave(session, tuple(session.rooms))
        _discard(self._users, session.user, session)

    def places(self) -> KeysView[bytes]:
        """Where anybody is."""
        return self._places.keys()

    def members(self, target: Target) -> Sequence[Session]:
        """Who is in any of the rooms, each once; a copy, because sending may end a session."""
        known = self._places
        if not target.several:
            return tuple(known.get(target.name, ()))
        found: Members = {}
        for one in target.several:
            found |= known.get(one, {})
        return tuple(found)

    def of_user(self, user: str) -> Sequence[Session]:
        return tuple(self._users.get(user, ()))


def _discard(members: dict[Key, Members], key: Key, session: Session) -> None:
    found = members.get(key)
    if found is None:
        return
    found.pop(session, None)
    if not found:
        del members[key]
