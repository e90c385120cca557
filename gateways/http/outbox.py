"""Owns the outbox of development: what the simulators got instead of people."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gateways.http.dev import check_local
from gateways.http.route import Call, Route, answer
from gateways.problems import not_found, unavailable

Message = dict[str, Any]

PATH: Final = "/dev/outbox"
a_name = TypeAdapter[str](str)
MOST: Final = 200
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


async def list_outbox(call: Call[OutboxFilter, None]) -> web.Response:
    check_local(call.request)
    simulators = call.gateway.config.simulators
    found = await asyncio.gather(*(_messages(url, call.query.address) for url in simulators.values()))
    shown = [_shown(name, one) for name, each in zip(simulators, found, strict=True) for one in each[-MOST:]]
    shown.sort(key=lambda one: one["at"], reverse=True)
    return answer({"simulators": list(simulators), "items": shown[:MOST]})


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


def _shown(simulator: str, message: Mapping[str, Any]) -> Message:
    told = {name: message.get(name) for name in SHOWN}
    return {"simulator": simulator, **told, "html": message.get("html") is not None}


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
        method="GET",
        path=f"{PATH}/{{simulator}}/{{id}}",
        handler=show_message,
        summary="The HTML of one message",
        tag="dev",
        path_types={"simulator": a_name, "id": a_name},
    ),
)
