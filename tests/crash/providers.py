"""All simulated providers, and processes that send through them."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson

from routing.model import ChannelKind
from tests.hubprocess import ROOT
from tests.simulated import resend_simulated
from tests.simulated_fcm import fcm_simulated
from tests.simulated_telegram import telegram_simulated
from tests.simulated_twilio import twilio_simulated
from tests.waiting import until

ALL: tuple[ChannelKind, ...] = ("push", "sms", "email", "telegram")


@asynccontextmanager
async def sender(name: str, told: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.crash.channels", name, cwd=ROOT, stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin
    process.stdin.write(orjson.dumps(told))
    process.stdin.close()
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


class Providers:
    """All simulators, and what arrived at each."""

    def __init__(self, fcm: Any, twilio: Any, resend: Any, telegram: Any) -> None:
        self.fcm, self.twilio, self.resend, self.telegram = fcm, twilio, resend, telegram

    def told(self, dsn: str) -> dict[str, Any]:
        urls = {name: one.url for name, one in vars(self).items()}
        return {"dsn": dsn, "fcm_credentials": self.fcm.credentials, **urls}

    def shown(self, channel: ChannelKind) -> Counter[str]:
        """How often something is shown, by address."""
        match channel:
            case "push":
                messages = self.fcm.shown()
            case "sms":
                messages = self.twilio.messages
            case "email":
                messages = self.resend.messages
            case _:
                messages = self.telegram.messages
        return Counter(one.address for one in messages)

    async def arrived(self, count: int) -> None:
        async def enough() -> bool:
            return sum(self.shown(channel).total() for channel in ALL) >= count

        await until(enough, within_s=90)


@asynccontextmanager
async def all_simulated() -> AsyncIterator[Providers]:
    async with AsyncExitStack() as stack:
        yield Providers(
            await stack.enter_async_context(fcm_simulated()),
            await stack.enter_async_context(twilio_simulated()),
            await stack.enter_async_context(resend_simulated(rate=5)),
            await stack.enter_async_context(telegram_simulated()),
        )
