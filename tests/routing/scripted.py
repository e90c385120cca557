"""A provider that does what a test says, and chats it writes to."""

import asyncio
from collections.abc import Callable, Sequence
from typing import ClassVar

from routing.channels.base import Addressed, Outcome, Pace, Receipt, Rendered
from routing.errors import DeliveryError
from routing.model import ChannelKind, Code, Content, Digest, Endpoint, Recipient
from schemas.ids import uuid7
from schemas.store.endpoints import Endpoints, NewEndpoint
from tests.routing.house import House

TELEGRAM: tuple[ChannelKind, ...] = ("telegram",)

Script = Callable[[str], Exception | None]


def well(_address: str) -> None:
    """Nothing goes wrong."""


class Scripted:
    """Takes a message in each call; `script` says of an address what goes wrong."""

    kind: ClassVar[ChannelKind] = "telegram"
    keyed: ClassVar[bool] = False
    most: ClassVar[int] = 20

    def __init__(self, script: Script = well, *, provider: str = "unkeyed") -> None:
        self.provider = provider
        self.script = script
        self.pace = Pace(1000.0)
        self.asked: list[str] = []
        """Addresses of all calls."""
        self.texts: list[str] = []
        self.under_way = 0
        self.at_once = 0
        self.gates: dict[str, asyncio.Event] = {}
        """Addresses that answer no sooner than they may."""

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        self.asked.append(to.address)
        self.under_way += 1
        self.at_once = max(self.at_once, self.under_way)
        try:
            await asyncio.sleep(0)
            if gate := self.gates.get(to.address):
                await gate.wait()
            if error := self.script(to.address):
                raise error
        finally:
            self.under_way -= 1
        self.texts.append(message.title)
        return Receipt(key)

    async def close(self) -> None: ...


class Keyed(Scripted):
    """Knows a key, and takes a repeat once."""

    keyed: ClassVar[bool] = True


class ScriptedMany(Keyed):
    """Takes all of them in one call."""

    def __init__(self, script: Script = well, *, provider: str = "keyed") -> None:
        super().__init__(script, provider=provider)
        self.calls: list[int] = []

    async def send_many(self, messages: Sequence[Addressed]) -> list[Outcome]:
        self.calls.append(len(messages))
        return [await self._outcome(one) for one in messages]

    async def _outcome(self, one: Addressed) -> Outcome:
        try:
            return await self.send(one.message, one.to, key=one.key)
        except DeliveryError as error:
            return error


class Plain:
    """Writes no more than the words."""

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        match content:
            case Digest():
                return Rendered(title=f"{len(content.items)} things", text="", badge=unread)
            case Code():
                return Rendered(title=content.said, text="")
            case _:
                return Rendered(title=content.title, text=content.text or "", badge=unread)


async def with_chat(house: House, user: str, address: str, channel: str = "telegram") -> None:
    """Somebody who may be written to there."""
    endpoint = NewEndpoint(id=uuid7(), user_id=user, channel=channel, address=address, state="active")
    await Endpoints().put(house.pool, endpoint, house.clock.now())
