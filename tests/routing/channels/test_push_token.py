"""How the token of FCM is fetched: never on the event loop, and once for all who wait."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from routing.channels.base import Addressed, Receipt, Rendered
from routing.channels.push import FcmConfig, PushChannel
from routing.errors import ChannelMisconfiguredError, DeliveryError, TransientDeliveryError
from routing.model import Endpoint
from schemas.clock import SystemClock
from tests.routing.channels.serving import serving
from tests.simulated_fcm import Fcm, fcm_simulated
from tests.waiting import until

MESSAGE = Rendered(title="Hi", text="Hello")
TOKENS = "oauth2.googleapis.com"


@pytest.fixture
async def fcm() -> AsyncIterator[Fcm]:
    async with fcm_simulated() as running:
        yield running


@asynccontextmanager
async def channel_of(
    fcm: Fcm, token_uri: str | None = None, *, call_s: float = 1
) -> AsyncIterator[PushChannel]:
    config = FcmConfig(credentials=fcm.credentials, base_url=fcm.url, token_uri=token_uri, call_s=call_s)
    channel = PushChannel(config, SystemClock())
    try:
        yield channel
    finally:
        await channel.close()


async def send(channel: PushChannel, count: int = 1) -> list[Receipt | DeliveryError]:
    return await channel.send_many(
        [
            Addressed(
                MESSAGE, Endpoint(id=uuid4(), channel="push", address=f"device-{n}", kind="fid"), str(uuid4())
            )
            for n in range(count)
        ]
    )


def token_endpoint(
    answer: web.Response, *, held: asyncio.Event | None = None
) -> AbstractAsyncContextManager[str]:
    """A token endpoint on the loop of the test: it can only answer while nothing blocks that loop."""

    async def handle(_request: web.Request) -> web.Response:
        if held is not None:
            await held.wait()
        return web.Response(status=answer.status, body=answer.body)

    return serving(handle)


async def test_the_loop_is_free_while_a_token_is_fetched(fcm: Fcm) -> None:
    held = asyncio.Event()
    given = {"access_token": "owner", "expires_in": 3599, "token_type": "Bearer"}
    answer = web.Response(body=orjson.dumps(given), content_type="application/json")
    async with token_endpoint(answer, held=held) as uri, channel_of(fcm, uri) as channel:
        sending = asyncio.ensure_future(send(channel))
        for _ in range(20):  # the loop turns, and nothing is sent
            await asyncio.sleep(0.01)
        assert not sending.done()
        assert fcm.messages == []
        held.set()
        (came,) = await sending
    assert isinstance(came, Receipt)


async def test_many_calls_at_once_fetch_one_token(fcm: Fcm) -> None:
    async with channel_of(fcm, call_s=30) as channel:
        await asyncio.gather(*(send(channel, 20) for _ in range(5)))
        await send(channel, 20)
    assert fcm.simulator.tokens.asked == 1
    assert len(fcm.messages) == 120


async def test_a_token_that_ends_soon_is_used_while_the_next_one_is_fetched(fcm: Fcm) -> None:
    fcm.simulator.tokens.lifetime_s = 100
    async with channel_of(fcm) as channel:
        await send(channel)
        fcm.behave("timeout", TOKENS)
        for _ in range(3):
            (came,) = await send(channel)
            assert isinstance(came, Receipt)

        async def asked_again() -> bool:
            return fcm.simulator.tokens.asked == 2

        await until(asked_again)


async def test_a_token_that_counts_no_more_is_replaced_once_for_all(fcm: Fcm) -> None:
    async with channel_of(fcm) as channel:
        await send(channel)
        fcm.simulator.tokens.revoke()
        outcomes = await send(channel, 50)
    assert all(isinstance(one, Receipt) for one in outcomes)
    assert fcm.simulator.tokens.asked == 2


async def test_when_no_other_token_is_to_be_had_each_message_says_so(fcm: Fcm) -> None:
    async with channel_of(fcm) as channel:
        await send(channel)
        fcm.simulator.tokens.revoke()
        fcm.behave("reject", TOKENS)
        outcomes = await send(channel, 3)
    assert [type(one) for one in outcomes] == [ChannelMisconfiguredError] * 3


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, b'{"error": "invalid_grant", "error_description": "no"}', ChannelMisconfiguredError),
        (401, b'{"error": "invalid_client"}', ChannelMisconfiguredError),
        (502, b"<html>bad gateway</html>", TransientDeliveryError),
        (200, b"<html>sign in</html>", TransientDeliveryError),
        (200, b'{"expires_in": 1}', TransientDeliveryError),
        (200, b"[]", TransientDeliveryError),
    ],
)
async def test_each_failure_to_get_one_has_its_meaning(
    fcm: Fcm, status: int, body: bytes, error: type[DeliveryError]
) -> None:
    async with token_endpoint(web.Response(status=status, body=body)) as uri, channel_of(fcm, uri) as channel:
        with pytest.raises(DeliveryError) as refused:
            await send(channel)
    assert type(refused.value) is error


async def test_nobody_at_the_token_endpoint_is_for_another_time(fcm: Fcm) -> None:
    async with channel_of(fcm, "http://127.0.0.1:9/token") as channel:
        with pytest.raises(TransientDeliveryError, match="cannot be reached"):
            await send(channel)


async def test_a_channel_that_closes_does_not_wait_for_a_silent_token_endpoint(fcm: Fcm) -> None:
    held = asyncio.Event()
    async with token_endpoint(web.Response(status=503), held=held) as uri, channel_of(fcm, uri) as channel:
        sending = asyncio.ensure_future(send(channel))
        await asyncio.sleep(0)
        sending.cancel()
        async with asyncio.timeout(2):
            await channel.close()
        held.set()


async def test_no_thread_looks_up_the_regions_of_the_account(fcm: Fcm) -> None:
    before = set(threading.enumerate())
    async with channel_of(fcm) as channel:
        await send(channel, 3)
        started = {thread.name for thread in set(threading.enumerate()) - before}
    assert all(name.startswith("asyncio_") for name in started)
