"""What Twilio tells the hub, and signs as its own library does."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from bus.memory import MemoryBus
from schemas.db import Pool
from schemas.profile import Profile
from schemas.store.consent import ConsentLedger
from schemas.store.users import Users
from tests.gateways.http.served import Answered, Caller, gateway_on, serving
from tests.simulated_twilio import ACCOUNT, ANN, TOKEN

PUBLIC = "https://hub.example.com"
PATH = "/webhooks/twilio"
OTHER_TOKEN = "the token of the second account.."
SECRETS = {"twilio": TOKEN, "twilio_fallback": OTHER_TOKEN}
OTHER_ACCOUNT = "AC" + "9" * 32
ACCOUNTS = {"twilio": ACCOUNT, "twilio_fallback": OTHER_ACCOUNT}
EMPTY = b'<?xml version="1.0" encoding="UTF-8"?><Response />'


@asynccontextmanager
async def door(database: str, pool: Pool) -> AsyncIterator[Caller]:
    """A gateway with two accounts, as Twilio calls it."""
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(
            gateway.config, webhook_secrets=SECRETS, webhook_accounts=ACCOUNTS, public_url=PUBLIC
        )
        async with serving(replace(gateway, config=config)) as nobody:
            yield nobody


def report(status: str, sid: str = "SM1", **more: str) -> dict[str, str]:
    return {"MessageSid": sid, "MessageStatus": status, "To": ANN, "AccountSid": ACCOUNT, **more}


def written(text: str, sid: str = "SM7", number: str = ANN, **more: str) -> dict[str, str]:
    return {
        "MessageSid": sid,
        "SmsStatus": "received",
        "From": number,
        "Body": text,
        "FromCity": "",
        "AccountSid": ACCOUNT,
        **more,
    }


def signed(
    form: Mapping[str, str],
    query: str = "",
    *,
    token: str = TOKEN,
    at: str = PUBLIC,
    algorithm: str | None = None,
) -> dict[str, Any]:
    """The call as Twilio makes it, by its own library."""
    url = f"{at}{PATH}{query}"
    signature = RequestValidator(token).compute_signature(url, dict(form), algorithm)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": signature,
    }
    if algorithm:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key=webhooks_sharedkey_1,algorithm={algorithm}"
    return {"data": urlencode(form).encode(), "headers": headers}


async def told(caller: Caller, form: Mapping[str, str], query: str = "", **options: Any) -> Answered:
    return await caller.post(PATH + query, **signed(form, query, **options))


async def status(pool: Pool) -> str:
    return str(await pool.fetchval("SELECT status FROM deliveries"))


async def refused(pool: Pool, number: str = ANN) -> frozenset[str]:
    return (await ConsentLedger().refused(pool, [("sms", number)])).get(("sms", number), frozenset())


async def owned(pool: Pool, *users: str) -> None:
    """People who have Ann's number."""
    for user in users:
        await Users().put(pool, user, Profile(phone=ANN))
