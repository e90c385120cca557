"""Owns the doors for webhooks: POST /webhooks/{provider}, signed by the provider instead of a token."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateways.http.body import JSON, read_bytes
from gateways.http.route import Call, Header, Reply, Route, answer
from gateways.webhooks.base import Hook, receive
from gateways.webhooks.resend import HEADERS, ResendHook


class Handled(BaseModel):
    """A webhook whose effects are committed."""

    model_config = ConfigDict(frozen=True)

    duplicate: bool = Field(description="it had been handled before, and nothing was done now")


class RawBody:
    """The bytes as they came: what is signed."""

    model: type[BaseModel] | None = None

    async def read(self, request: web.Request) -> bytes:
        return await read_bytes(request, (JSON,))

    def document(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        return {"required": True, "content": {JSON: {"schema": {"type": "object"}}}}


def _route(hook: Hook, headers: Mapping[str, Header]) -> Route[Any, bytes]:
    async def handle(call: Call[Any, bytes]) -> web.Response:
        fresh = await receive(hook, call.gateway, call.request.headers, call.body)
        return answer(Handled(duplicate=not fresh))

    return Route(
        method="POST",
        path=f"/webhooks/{hook.provider}",
        handler=handle,
        summary=f"What {hook.provider.capitalize()} tells",
        description="Called by the provider. Forged or not signed is 401, stale or broken 400;"
        " 200 comes after the commit.",
        tag="webhooks",
        body=RawBody(),
        headers=headers,
        replies={200: Reply(description="Handled, now or before", model=Handled)},
        problems=(401, 404, 503),
    )


SVIX: Mapping[str, Header] = {
    name: Header(description="of the signature", schema={"type": "string"}) for name in HEADERS
}
ROUTES = (_route(ResendHook(), SVIX),)
