"""Owns the doors for webhooks: POST /webhooks/{provider}, signed by the provider instead of a token."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateways.http.body import ANY, JSON, read_any
from gateways.http.route import Call, Header, Reply, Route, answer
from gateways.loopback import is_loopback_host
from gateways.problems import not_found
from gateways.webhooks.base import Hook, handle_once, receive
from gateways.webhooks.resend import HEADERS, ResendHook
from gateways.webhooks.telegram import HEADER, TelegramHook
from gateways.webhooks.twilio import HEADERS as TWILIO_HEADERS
from gateways.webhooks.twilio import NOTHING_TO_SAY, TwilioHook

FORM = "application/x-www-form-urlencoded"


class Handled(BaseModel):
    """A webhook whose effects are committed."""

    model_config = ConfigDict(frozen=True)

    duplicate: bool = Field(description="it had been handled before, and nothing was done now")


class RawBody:
    """The bytes as they came: what is signed, and so the signature is judged before all else."""

    model: type[BaseModel] | None = None

    def __init__(self, media_type: str = JSON) -> None:
        self._media_type = media_type

    async def read(self, request: web.Request) -> bytes:
        return await read_any(request)

    def document(self, reference: Mapping[str, Any]) -> dict[str, Any]:
        content = {"schema": {"type": "object"}}
        return {"required": True, "content": {self._media_type: content, ANY: {}}}


def _route(hook: Hook, headers: Mapping[str, Header]) -> Route[Any, bytes]:
    async def handle(call: Call[Any, bytes]) -> web.Response:
        fresh = await receive(hook, call.gateway, call.request.headers, call.body)
        return answer(Handled(duplicate=not fresh))

    handle.__name__ = f"hear_{hook.provider}"  # the documents tell operations apart by it
    return Route(
        method="POST",
        path=f"/webhooks/{hook.provider}",
        handler=handle,
        summary=f"What {hook.provider.capitalize()} tells",
        description="Called by the provider. Forged or not signed is 401, whatever the body calls itself;"
        " stale or broken 400; 200 comes after the commit.",
        tag="webhooks",
        body=RawBody(),
        headers=headers,
        replies={200: Reply(description="Handled, now or before", model=Handled)},
        problems=(401, 404, 503),
    )


def _twilio_route(hook: TwilioHook) -> Route[Any, bytes]:
    async def hear_twilio(call: Call[Any, bytes]) -> web.Response:
        gateway, request = call.gateway, call.request
        found = gateway.config.webhook_secrets
        secrets = {one: found[one] for one in hook.accounts if one in found}
        if not secrets:
            raise not_found("twilio is not configured here")
        url = _called(request, gateway.config.public_url)
        webhook = hook.read(url, request.headers, call.body, secrets, gateway.config.webhook_accounts)
        await handle_once(hook, gateway, webhook, gateway.clock.now())
        return web.Response(
            text=NOTHING_TO_SAY, content_type="text/xml", headers={"Cache-Control": "no-store"}
        )

    return Route(
        method="POST",
        path=f"/webhooks/{hook.provider}",
        handler=hear_twilio,
        summary="What Twilio tells",
        description="Called by the provider: what became of a message (the query names the delivery), and"
        " what people write back. Forged or not signed is 401, whatever the body calls itself; broken 400;"
        " 200 comes after the commit.",
        tag="webhooks",
        body=RawBody(FORM),
        headers={
            name: Header(description="of the signature", schema={"type": "string"}) for name in TWILIO_HEADERS
        },
        replies={
            200: Reply(description="Handled, now or before; TwiML with no answer", media_type="text/xml")
        },
        problems=(401, 404, 503),
    )


def _called(request: web.Request, public_url: str | None) -> str:
    """The URL as the provider called it: behind a proxy, the request itself would name another."""
    if public_url is None and not is_loopback_host(request.host):
        raise not_found("set HUB_PUBLIC_URL: the signatures of twilio are made with it")
    home = public_url or f"http://{request.host}"
    return home.rstrip("/") + request.raw_path


SVIX: Mapping[str, Header] = {
    name: Header(description="of the signature", schema={"type": "string"}) for name in HEADERS
}
SECRET: Mapping[str, Header] = {
    HEADER: Header(description="what was agreed on when the webhook was set", schema={"type": "string"})
}
ROUTES = (_route(ResendHook(), SVIX), _route(TelegramHook(), SECRET), _twilio_route(TwilioHook()))
