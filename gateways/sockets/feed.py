"""Owns `/feed`: everyone hears the feed, and subscribes to zones, pieces of content and proposals."""

from itertools import chain
from typing import ClassVar, Final

from gateways.sockets.connection import Session
from gateways.sockets.namespace import Answer, Handler, Namespace, Payload, RefusedError
from gateways.sockets.rooms import Rooms
from schemas.events.members import Id

IDS: Final = 100
ROOM_OF: Final = {"zones": "zone", "content": "content", "proposals": "proposal"}


class Subscription(Payload):
    """What to hear about, or to hear about no longer."""

    zones: tuple[Id, ...] = ()
    content: tuple[Id, ...] = ()
    proposals: tuple[Id, ...] = ()

    def rooms(self) -> dict[str, list[str]]:
        """The rooms by the member they come from; at most IDS together."""
        found, count = {}, 0
        for member, prefix in ROOM_OF.items():
            ids: tuple[str, ...] = getattr(self, member)
            count += len(ids)
            if count > IDS:
                raise RefusedError("invalid", f"at most {IDS} ids in one call", member)
            found[member] = [f"{prefix}:{one}" for one in ids]
        return found


class Feed(Namespace):
    """The public page of events."""

    name: ClassVar = "/feed"

    def __init__(self, rooms: Rooms) -> None:
        super().__init__()
        self._rooms = rooms
        self.handlers = {
            "subscribe": Handler(Subscription, self._subscribe),
            "unsubscribe": Handler(Subscription, self._unsubscribe),
        }

    def rooms_of(self, user: str) -> tuple[str, ...]:
        return ("feed",)

    async def _subscribe(self, session: Session, wanted: Subscription) -> Answer:
        rooms = wanted.rooms()
        after = set(session.rooms)
        for member, names in rooms.items():
            after.update(names)
            self._rooms.check(after, member)
        await self._rooms.join(session, after)
        return {"rooms": sorted(session.rooms)}

    async def _unsubscribe(self, session: Session, unwanted: Subscription) -> Answer:
        await self._rooms.leave(session, chain.from_iterable(unwanted.rooms().values()))
        return {"rooms": sorted(session.rooms)}
