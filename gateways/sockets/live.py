"""Owns `/live`: who watches a live stream hears what happens there, and is counted."""

from typing import ClassVar, Final

from gateways.sockets.connection import Session
from gateways.sockets.namespace import Answer, Handler, Namespace, Payload
from gateways.sockets.rooms import Rooms
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

    def __init__(self, rooms: Rooms, viewers: Viewers) -> None:
        super().__init__()
        self._rooms = rooms
        self._viewers = viewers
        self._counted: dict[Session, set[str]] = {}
        """The streams each session was counted in for: a session may end between entering a room and that."""
        self.handlers = {"join": Handler(Stream, self._join), "leave": Handler(Stream, self._leave)}

    async def returned(self, session: Session) -> None:
        for room in tuple(session.rooms):
            await self._count_in(session, room.removeprefix(PREFIX))

    async def _join(self, session: Session, stream: Stream) -> Answer:
        if stream.room in session.rooms:
            return {"viewers": await self._viewers.count(stream.stream_id)}
        self._rooms.check((*session.rooms, stream.room), "stream_id")
        await self._rooms.join(session, [stream.room])
        return {"viewers": await self._count_in(session, stream.stream_id)}

    async def _leave(self, session: Session, stream: Stream) -> Answer:
        if stream.room not in session.rooms:
            return {"viewers": await self._viewers.count(stream.stream_id)}
        await self._rooms.leave(session, [stream.room])
        if stream.stream_id not in self._counted.get(session, ()):
            return {"viewers": await self._viewers.count(stream.stream_id)}
        self._counted[session].remove(stream.stream_id)
        return {"viewers": await self._viewers.leave(stream.stream_id, session.user)}

    def left(self, session: Session) -> None:
        self._viewers.gone(self._counted.pop(session, ()), session.user)

    async def _count_in(self, session: Session, stream_id: str) -> int:
        """Count a session in once, if it is still there; answers the total."""
        counted = self._counted.get(session, ())
        if PREFIX + stream_id not in session.rooms or stream_id in counted:
            return await self._viewers.count(stream_id)
        self._counted.setdefault(session, set()).add(stream_id)
        return await self._viewers.join(stream_id, session.user)
