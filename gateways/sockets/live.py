"""Owns `/live`: who watches a live stream hears what happens there, and is counted."""

from typing import ClassVar, Final

from gateways.sockets.connection import Session
from gateways.sockets.membership import Membership
from gateways.sockets.namespace import Answer, Handler, Namespace, Payload, RefusedError
from gateways.sockets.viewers import Viewers
from schemas.events.members import Id

PREFIX: Final = "live:"


class Stream(Payload):
    """Which stream."""

    stream_id: Id

    @property
    def room(self) -> str:
        return PREFIX + self.stream_id


class Live(Namespace):
    """The live streams."""

    name: ClassVar = "/live"

    def __init__(self, membership: Membership, viewers: Viewers, *, most_rooms: int) -> None:
        super().__init__()
        self._membership = membership
        self._viewers = viewers
        self._most_rooms = most_rooms
        self.handlers = {"join": Handler(Stream, self._join), "leave": Handler(Stream, self._leave)}

    async def _join(self, session: Session, stream: Stream) -> Answer:
        if stream.room in session.rooms:
            return {"viewers": await self._viewers.count(stream.stream_id)}
        if len(session.rooms) >= self._most_rooms:
            raise RefusedError("invalid", f"at most {self._most_rooms} streams at a time", "stream_id")
        self._membership.join(session, [stream.room])
        return {"viewers": await self._viewers.join(stream.stream_id, session.user)}

    async def _leave(self, session: Session, stream: Stream) -> Answer:
        if stream.room not in session.rooms:
            return {"viewers": await self._viewers.count(stream.stream_id)}
        self._membership.leave(session, [stream.room])
        return {"viewers": await self._viewers.leave(stream.stream_id, session.user)}

    def left(self, session: Session) -> None:
        self._viewers.gone([room.removeprefix(PREFIX) for room in session.rooms], session.user)
