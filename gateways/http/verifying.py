"""Owns how a person proves an address of theirs: codes that are sent and brought back, and links to a bot."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from gateways.http.body import JsonBody
from gateways.http.endpoint_shown import (
    EndpointShown,
    VerificationShown,
    show,
    shown_verification,
    unknown_endpoint,
    verifying,
)
from gateways.http.endpoints import PATH, endpoint_id
from gateways.http.route import Call, Reply, Route, answer
from gateways.problems import ProblemError, conflict, invalid, not_found, rate_limited
from routing.codes import PAGE
from routing.verification import Proved, TooSoonError
from schemas.db import Connection
from schemas.events.members import rfc3339
from schemas.store.endpoints import StoredEndpoint
from schemas.store.telegram_links import TelegramLinks, new_token

LINKS_PER: Final = timedelta(hours=1)
BEFORE: Final = "this address is verified already"
NO_CODE: Final = "no code for this address counts any more; ask for a new one"
NO_BOT: Final = "this hub has no Telegram bot"
NONE_SENT: Final[Mapping[str, str]] = {
    "sms": "this hub sends no SMS; choose another channel",
    "email": "this hub sends no mails; choose another channel",
}


class CodeGiven(BaseModel):
    """The proof that an address is mine."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="Code")

    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)] = Field(
        description="the six digits of the message, or the link of the mail", examples=["123456"]
    )


class TelegramLink(BaseModel):
    """Opens the chat with the bot, and tells it who I am."""

    model_config = ConfigDict(frozen=True)

    url: str = Field(examples=["https://t.me/hub_bot?start=…"])
    expires_at: AwareDatetime


async def verify_endpoint(call: Call[None, CodeGiven]) -> web.Response:
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        code = _typed(call.body.code)
        proved = await verifying(call).prove(tx, call.principal.id, call.path["id"], code)
        shown = await show(tx, call, proved.endpoint) if proved.endpoint else None
    # Outside of the transaction: a wrong try must be counted.
    if proved.result != "proved" or shown is None:
        raise _refused(proved)
    return answer(shown)


def _typed(code: str) -> str:
    """As people type and paste: digits in groups, or the whole link."""
    digits = re.sub(r"[\s-]", "", code)
    return digits if digits.isdecimal() else code.rpartition(PAGE)[2]


def _refused(proved: Proved) -> ProblemError:
    if proved.result == "wrong":
        left = proved.tries_left
        tries = (
            "ask for a new one" if left <= 0 else "1 try is left" if left == 1 else f"{left} tries are left"
        )
        return invalid([("code", f"is not the right one; {tries}")])
    if proved.result == "malformed":
        return invalid([("code", "must be the six digits of the message; this counts as no try")])
    if proved.result == "gone":
        return unknown_endpoint()
    return conflict(BEFORE if proved.result == "before" else NO_CODE)


async def ask_for_code(call: Call[None, None]) -> web.Response:
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        endpoint = await _waiting(tx, call)
        try:
            standing = await verifying(call).ask(tx, endpoint)
        except TooSoonError as error:
            raise rate_limited(error.wait.total_seconds()) from None
    return answer(shown_verification(standing) or {}, 202)


async def _waiting(tx: Connection, call: Call[Any, Any]) -> StoredEndpoint:
    """The endpoint of the call, if a code can be sent for it."""
    endpoints, user = call.gateway.notifying.endpoints, call.principal.id
    await endpoints.lock(tx, user)
    found = await endpoints.get(tx, call.path["id"])
    if found is None or found.user_id != user or found.state == "retired":
        raise unknown_endpoint()
    if found.state == "active":
        raise conflict(BEFORE)
    if found.channel not in call.gateway.config.channels:
        raise conflict(NONE_SENT[found.channel])
    return found


async def link_telegram(call: Call[None, None]) -> web.Response:
    links, user, now = TelegramLinks(), call.principal.id, call.gateway.clock.now()
    config, token = call.gateway.config, new_token()
    if "telegram" not in config.channels or config.telegram_bot is None:
        raise not_found(NO_BOT)
    async with call.gateway.pool.acquire() as tx, tx.transaction():
        url = await links.link(tx, config.telegram_bot, token)
        if url is None:
            raise not_found(NO_BOT)
        await call.gateway.notifying.endpoints.lock(tx, user)
        made = await links.made_since(tx, user, now - LINKS_PER)
        most = config.limits.codes_per_person
        if len(made) >= most:
            raise rate_limited((made[most - 1] + LINKS_PER - now).total_seconds())
        expires_at = await links.put(tx, user, token, now)
    return answer({"url": url, "expires_at": rfc3339(expires_at)}, 201)


ROUTES = (
    Route(
        method="POST",
        path=f"{PATH}/telegram-link",
        handler=link_telegram,
        summary="Link Telegram",
        description="Whoever follows the link within ten minutes and presses Start is told there what I am"
        " told. It works once.",
        tag="me",
        scopes=("user",),
        replies={201: Reply(description="The link", model=TelegramLink)},
        problems=(404,),
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/verify",
        handler=verify_endpoint,
        summary="Verify an endpoint",
        description="After five wrong tries, or when its time is over, a new code is needed.",
        tag="me",
        scopes=("user",),
        path_types={"id": endpoint_id},
        body=JsonBody(CodeGiven),
        replies={200: Reply(description="The endpoint, active", model=EndpointShown)},
        problems=(404, 409),
    ),
    Route(
        method="POST",
        path=f"{PATH}/{{id}}/code",
        handler=ask_for_code,
        summary="Ask for a new code",
        description="The code or link before counts no more. Only so many are sent in an hour, of a person"
        " and to an address; the answer tells nothing of what others did with the address.",
        tag="me",
        scopes=("user",),
        path_types={"id": endpoint_id},
        replies={202: Reply(description="It is on its way", model=VerificationShown)},
        problems=(404, 409),
    ),
)
