"""Owns what all simulators have in common: what arrived, how to misbehave, and the calls for both."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, get_args

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from gateways.loopback import is_loopback_host, is_loopback_url
from schemas.clock import Clock

Common = Literal["ok", "gone", "quota", "timeout", "timeout_after", "slow", "reject", "flaky", "down"]
Mode = Literal[Common, "sender_mismatch"]
MODES: Final[tuple[Mode, ...]] = get_args(Common)
KEPT: Final = 100_000
SLOW_S: Final = 2.0
SILENT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message that arrived."""

    id: str
    address: str
    at: str
    text: str
    raw: Any
    subject: str | None = None
    html: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Behaviour(BaseModel):
    """How to misbehave, towards one address or all."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)  # chats have numbers

    mode: Mode
    address: str | None = None
    all: bool = False
    times: int | None = Field(None, ge=1)

    @model_validator(mode="after")
    def _one_target(self) -> "Behaviour":
        if (self.address is None) is not self.all:
            raise ValueError('name an "address" or say "all": true')
        return self


@dataclass(slots=True)
class _Set:
    mode: Mode
    left: int | None
    turn: int = 0


class Behaviours:
    """Which mode counts for a request; the one of an address goes before the one of all."""

    def __init__(self) -> None:
        self._set: dict[str | None, _Set] = {}

    def put(self, wanted: Behaviour) -> None:
        """Let it count from now on; `ok` for all takes back what was set for addresses, too."""
        if wanted.mode == "ok" and wanted.times is None:
            kept = {} if wanted.all else self._set
            self._set = {address: one for address, one in kept.items() if address != wanted.address}
        else:
            self._set[wanted.address] = _Set(wanted.mode, wanted.times)

    def take(self, address: str | None) -> Mode:
        """The mode for the next request; of `flaky`, every second one fails (`down`), the first included."""
        found = self._set.get(address)
        if found is None:
            return self.take(None) if address is not None else "ok"
        if found.left is not None:
            found.left -= 1
            if found.left == 0:
                del self._set[address]
        found.turn += 1
        if found.mode == "flaky" and found.turn % 2 == 0:
            return "ok"
        return found.mode

    def own(self, addresses: Collection[str]) -> frozenset[str]:
        """Which of the addresses have a mode of their own."""
        return frozenset(address for address in addresses if address in self._set)

    def lasting(self, addresses: Collection[str]) -> frozenset[str]:
        """Which of them have one that does not end by itself."""
        return frozenset(address for address in self.own(addresses) if self._set[address].left is None)

    def of(self, addresses: Collection[str]) -> dict[str, Mode]:
        """The modes of the addresses of one request; what is set for all is taken once for them together."""
        own = {address: self.take(address) for address in self.own(addresses)}
        rest = self.take(None) if len(own) < len(addresses) else "ok"
        return {address: own.get(address, rest) for address in addresses}


class Simulator:
    """A provider on loopback: its own API beside `/_sim/…`."""

    name: ClassVar[str]
    modes: ClassVar[tuple[Mode, ...]] = MODES

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.messages: list[Message] = []
        self.behaviours = Behaviours()

    def routes(self) -> list[web.RouteDef]:
        """The provider's own API."""
        raise NotImplementedError

    async def inbound(self, said: Mapping[str, Any]) -> web.Response:
        """Something happens at the provider, of which the hub is told."""
        raise NotImplementedError

    async def close(self) -> None:
        """End what runs beside the requests."""

    def application(self) -> web.Application:
        app = web.Application(client_max_size=50_000_000, middlewares=[_readable])
        app.add_routes(
            [
                *self.routes(),
                web.get("/_sim/messages", self._list),
                web.delete("/_sim/messages", self._forget),
                web.post("/_sim/behaviour", _json(self._behave)),
                web.post("/_sim/inbound", _json(self.inbound)),
            ]
        )
        return app

    def keep(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) > KEPT:
            del self.messages[: KEPT // 10]

    def at(self) -> str:
        return self.clock.now().astimezone(UTC).isoformat().replace("+00:00", "Z")

    async def _list(self, request: web.Request) -> web.Response:
        address = request.query.get("address", "")
        if address.startswith(" "):  # what a + becomes that was not encoded
            address = f"+{address[1:]}"
        found = [asdict(one) for one in self.messages if not address or one.address == address]
        return json_answer(found)

    async def _forget(self, _request: web.Request) -> web.Response:
        self.messages.clear()
        return json_answer({"ok": True})

    async def _behave(self, said: Mapping[str, Any]) -> web.Response:
        try:
            wanted = _BEHAVIOUR.validate_python(dict(said))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return json_answer({"error": f"{where}: {first['msg']}".removeprefix(": ")}, 422)
        if wanted.mode not in self.modes:
            return json_answer({"error": f"mode: {self.name} knows {', '.join(self.modes)}"}, 422)
        self.behaviours.put(wanted)
        return json_answer({"ok": True})


_BEHAVIOUR: Final = TypeAdapter(Behaviour)


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, body=orjson.dumps(content), content_type="application/json", headers=headers
    )


def seconds(moment: datetime) -> int:
    return int(moment.timestamp())


async def silence(request: web.Request) -> web.Response:
    """Never answer: whoever called gives up, or is cut off in the end."""
    await asyncio.sleep(SILENT_S)
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=504)


def _json(
    handle: Callable[[Mapping[str, Any]], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def read(request: web.Request) -> web.Response:
        try:
            said = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            said = None
        if not isinstance(said, dict):
            return json_answer({"error": "send a JSON object"}, 400)
        return await handle(said)

    return read


@web.middleware
async def _readable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Pages of this machine may look: the hub's own web client shows what arrived. No others, by no name."""
    origin = request.headers.get("Origin", "")
    if not is_loopback_host(request.host) or (origin and not is_loopback_url(origin)):
        return json_answer({"error": "only programs and pages of this machine may call a simulator"}, 403)
    asks = request.method == "OPTIONS"
    response = web.Response(status=204) if asks else await handler(request)
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type"
    return response
