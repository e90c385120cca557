"""How many calls a channel can have under way: to wait for a connection counts as a provider out of reach."""

import asyncio
from uuid import uuid4

import pytest
from aiohttp import web

from bus.tasks import cancel, spawn
from routing.channels.base import Channel, Rendered
from routing.channels.sms import SmsChannel
from routing.channels.telegram import TelegramChannel, TelegramConfig
from routing.dispatcher import LANES
from routing.model import Endpoint
from tests.routing.channels.serving import serving
from tests.simulated import FakeClock
from tests.simulated_telegram import TOKEN
from tests.simulated_twilio import sms_at
from tests.waiting import until

MARGIN = 20
"""What else goes through the same connections, as the answers of a bot."""


def made(kind: str, url: str) -> Channel:
    if kind == "sms":
        return sms_at(url, FakeClock(), call_s=30)
    return TelegramChannel(TelegramConfig(token=TOKEN, base_url=url, call_s=30), FakeClock())


@pytest.mark.parametrize("which", [SmsChannel, TelegramChannel])
async def test_all_lanes_together_find_a_connection_for_each_call(
    which: type[SmsChannel | TelegramChannel],
) -> None:
    arrived, over = 0, asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        await over.wait()
        return web.Response(status=500)

    async def all_are_there() -> bool:
        return arrived >= LANES * which.most + MARGIN

    async with serving(answer) as url:
        channel = made(which.kind, url)
        to = Endpoint(id=uuid4(), channel=which.kind, address="+15550100")
        calls = [
            spawn(channel.send(Rendered(title="t", text="t"), to, key=str(uuid4())), name="call")
            for _ in range(LANES * which.most + MARGIN)
        ]
        try:
            await until(all_are_there, within_s=4)
        finally:
            over.set()
            await cancel(*calls)
            await channel.close()
