"""Owns the outbox of development: what the simulators got instead of people, and what people write there."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter

from gateways.http.body import JsonBody
from gateways.http.dev import check_local
from gateways.http.route import Call, Route, answer
from gateways.problems import invalid, not_found, unavailable

Message = dict[str, Any]

PATH: Final = "/dev/outbox"
a_name = TypeAdapter[str](str)
MOST: Final = 100
"""Of each simulator: many mails must not crowd out the one SMS."""
CHANNELS: Final[Mapping[str, str]] = {
    "fcm": "push",
    "twilio": "sms",
    "twilio_fallback": "sms",
    "resend": "email",
    "smtp": "email",
    "telegram": "telegram",
}
CHAT: Final = re.compile("[1-9][0-9]{0,15}")
TIMEOUT: Final = ClientTimeout(total=5)
SHOWN: Final = ("id", "address", "at", "subject", "text", "headers")
# A mail is written by others in part: it is shown without scripts, as nobody, and its links open elsewhere.
FRAME: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
    "Cache-Control": "no-store",
}
LINKS_OPEN_ELSEWHERE: Final = '<base target="_blank">'


class OutboxFilter(BaseModel):
    """Which messages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str | None = Field(None, max_length=4096, description="only what was sent there")


class Written(BaseModel):
    """What somebody writes to the hub, from a phone or in the chat with the bot."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    simulator: Literal["telegram", "twilio"]
    address: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] = Field(
        description="the number of who writes: of the phone, or of the chat"
    )
    text: str = Field(min_length=1, max_length=4096)


async def list_outbox(call: Call[OutboxFilter, None]) -> web.Response:
    check_local(call.request)
    simulators = call.gateway.config.simulators
    found = await asyncio.gather(*(_messages(url, call.query.address) for url in simulators.values()))
    shown = [_shown(name, one) for name, each in zip(simulators, found, strict=True) for one in each[-MOST:]]
    shown.sort(key=lambda one: one["at"], reverse=True)
    return answer({"simulators": list(simulators), "items": shown})


async def show_message(call: Call[None, None]) -> web.Response:
    """The HTML of one message, made for a frame of the outbox."""
    check_local(call.request)
    url = call.gateway.config.simulators.get(call.path["simulator"])
    found = await _messages(url) if url else []
    html = next((one["html"] for one in found if one["id"] == call.path["id"]), None)
    if html is None:
        raise not_found("no message of this id has HTML")
    return web.Response(text=LINKS_OPEN_ELSEWHERE + html, content_type="text/html", headers=FRAME)


async def _messages(url: str, address: str | None = None) -> list[Message]:
    query = {"address": address} if address else {}
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as session,
            session.get(f"{url}/_sim/messages", params=query) as got,
        ):
            got.raise_for_status()
            return list(orjson.loads(await got.read()))
    except (ClientError, TimeoutError) as error:
        raise unavailable("a simulator does not answer; start `hub up` again") from error


async def write(call: Call[None, Written]) -> web.Response:
    """Have a simulator tell the hub what somebody writes."""
    check_local(call.request)
    said = call.body
    url = call.gateway.config.simulators.get(said.simulator)
    if url is None:
        raise not_found(f"{said.simulator} is not simulated here; start `hub up` with its simulator")
    try:
        async with (
            ClientSession(timeout=TIMEOUT) as session,
            session.post(f"{url}/_sim/inbound", json=_inbound(said)) as got,
        ):
            told = orjson.loads(await got.read())
    except (ClientError, TimeoutError, orjson.JSONDecodeError) as error:
        raise unavailable("the simulator does not answer; start `hub up` again") from error
    if got.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        raise invalid([("address", "must be a number such as +15555550100")])
    if not told.get("ok"):
        raise unavailable("the hub did not take what was written; look at what `hub up` says")
    return web.Response(status=204)


def _inbound(said: Written) -> Mapping[str, Any]:
    if said.simulator == "twilio":
        return {"from": said.address, "text": said.text}
    if not CHAT.fullmatch(said.address):
        raise invalid([("address", "must be the number of a chat, such as 4242")])
    return {"user": {"id": int(said.address)}, "text": said.text}


def _shown(simulator: str, message: Mapping[str, Any]) -> Message:
    told = {name: message.get(name) for name in SHOWN}
    channel = CHANNELS.get(simulator)
    return {"simulator": simulator, "channel": channel, **told, "html": message.get("html") is not None}


ROUTES = (
    Route(
        method="GET",
        path=PATH,
        handler=list_outbox,
        summary="What the simulators got, the latest first",
        tag="dev",
        query=OutboxFilter,
    ),
    Route(
        method="POST",
        path=PATH,
        handler=write,
        summary="Write to the hub as somebody",
        tag="dev",
        body=JsonBody(Written),
    ),
    Route(
        method="GET",
        path=f"{PATH}/{{simulator}}/{{id}}",
        handler=show_message,
        summary="The HTML of one message",
        tag="dev",
        path_types={"simulator": a_name, "id": a_name},
    ),
)
