"""Owns what a namespace is: the rooms it joins by itself, and a table of the events it understands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from gateways.sockets.connection import Session
from schemas.events.words import in_words, path_of

Answer = Mapping[str, Any]
PayloadT = TypeVar("PayloadT", bound=BaseModel)

MEMBERS: Final = 50
"""How many members a payload may have; no event has so many."""
VALUES: Final = 1000
"""How many values a payload may hold, those within lists and objects counted too."""


class RefusedError(Exception):
    """An event is not done; the client reads why in its acknowledgement."""

    def __init__(self, code: str, message: str, path: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.path = path

    def answer(self) -> Answer:
        error = {"code": self.code, "message": self.message}
        return {"ok": False, "error": {**error, "path": self.path} if self.path else error}


class Payload(BaseModel):
    """The one argument of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Handler(Generic[PayloadT]):
    """What an event carries, and what is done about it; the answer goes out beside `ok`."""

    payload: type[PayloadT]
    handle: Callable[[Session, PayloadT], Awaitable[Answer]]

    async def answer(self, session: Session, arguments: Sequence[Any]) -> Answer:
        return {"ok": True, **await self.handle(session, parse(self.payload, arguments))}


class Namespace:
    """A namespace that one may sign in to; without more it answers `not_found` to everything."""

    name: ClassVar[str]
    scope: ClassVar[str] = "user"
    """What a token must allow."""

    def __init__(self) -> None:
        self.handlers: Mapping[str, Handler[Any]] = {}

    def token_in(self, auth: Mapping[Any, Any]) -> object:
        """The token among what a client signs in with."""
        return auth.get("token")

    def came(self, session: Session) -> None:
        """Called when a session was let in."""

    def rooms_of(self, user: str) -> tuple[str, ...]:
        """The rooms a session of this user is in from the beginning."""
        return ()

    async def returned(self, session: Session) -> None:
        """Called when a session was recovered, after it was let in."""

    def left(self, session: Session) -> None:
        """Called when a session has ended, before it leaves its rooms."""


def parse(model: type[PayloadT], arguments: Sequence[Any]) -> PayloadT:
    """Check an event's arguments; none at all is the same as an empty object."""
    if len(arguments) > 1:
        raise RefusedError("invalid", "give one argument, an object")
    payload = arguments[0] if arguments else {}
    if isinstance(payload, dict):
        _check_size(payload)
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RefusedError("invalid", in_words(first), path_of(first["loc"])) from None


def _check_size(payload: Mapping[str, Any]) -> None:
    """Refuse a payload before it is validated: half a million wrong values would be as many errors."""
    if len(payload) > MEMBERS:
        raise RefusedError("invalid", f"must have at most {MEMBERS} members")
    room = VALUES
    for member, value in payload.items():
        room -= _values(value, room)
        if room < 0:
            raise RefusedError("invalid", f"an event holds at most {VALUES} values", path_of([member]))


def _values(value: object, most: int) -> int:
    """How many values there are in a list or object, however deep; counts little further than `most`."""
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            count += len(one)
            if count > most:
                break
            waiting.extend(one.values() if isinstance(one, dict) else one)
    return count
