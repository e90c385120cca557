"""Webhooks of every kind: the signature decides who may speak, before anything else is judged."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bus.memory import MemoryBus
from gateways.config import Limits
from gateways.http.webhooks import ROUTES
from schemas.db import Pool
from tests.gateways.http.served import Caller, gateway_on, serving
from tests.simulated import WEBHOOK_SECRET
from tests.simulated_telegram import SECRET
from tests.simulated_twilio import TOKEN

PATHS = [route.path for route in ROUTES]
SECRETS = {"resend": WEBHOOK_SECRET, "telegram": SECRET, "twilio": TOKEN}
TYPES = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "nonsense",
    "text/x; charset=x",
]


@pytest.fixture
async def caller(database: str, pool: Pool) -> AsyncIterator[Caller]:
    async with gateway_on(database, pool, MemoryBus()) as gateway:
        config = replace(gateway.config, webhook_secrets=SECRETS, limits=Limits(body_bytes=1_000))
        async with serving(replace(gateway, config=config)) as nobody:
            yield nobody


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("media_type", TYPES)
async def test_a_forged_one_is_401_whatever_it_calls_itself(
    caller: Caller, path: str, media_type: str
) -> None:
    for body in (b"{}", b"MessageSid=SM1&MessageStatus=delivered", b"\xff"):
        answered = await caller.post(path, data=body, headers={"Content-Type": media_type})
        assert answered.status == 401, body


@pytest.mark.parametrize("path", PATHS)
async def test_one_that_is_too_large_is_not_read(caller: Caller, path: str) -> None:
    answered = await caller.post(path, data=b"x" * 2_000, headers={"Content-Type": "text/plain"})
    assert answered.status == 413
