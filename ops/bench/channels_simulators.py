"""Owns the simulators that `bench channels` sends to: a process of its own, which tells nobody what arrived.

    python -m ops.bench.channels_simulators FILE

writes their addresses into the file, and counts for them under /counts.
"""

import asyncio
import socket
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from ops.bench.channels_seat import ACCOUNT, BOT, TOKEN
from ops.loop import run
from ops.simulators.base import Simulator
from ops.simulators.fcm import FcmSimulator
from ops.simulators.resend import ResendSimulator
from ops.simulators.running import served
from ops.simulators.smtp import SmtpSimulator, smtp_served
from ops.simulators.svix import Svix
from ops.simulators.telegram import TelegramSimulator
from ops.simulators.twilio import TwilioSimulator
from schemas.clock import SystemClock

UNLIMITED: Final = 1_000_000
NOBODY: Final = "http://127.0.0.1:9"


class _Silent(Svix):
    def later(self, event: Mapping[str, Any]) -> None:
        """Nobody is told: that would be measured, too."""


class _Twilio(TwilioSimulator):
    def _accept(self, form: Mapping[str, str]) -> dict[str, Any]:
        return super()._accept({name: value for name, value in form.items() if name != "StatusCallback"})


def _bound() -> tuple[socket.socket, str]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(1024)
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}"


def _http() -> dict[str, Simulator]:
    clock = SystemClock()
    svix = _Silent(NOBODY, "whsec_c2VjcmV0LW9mLXRoZS1iZW5jaA==", clock)
    return {
        "push": FcmSimulator(clock),
        "sms": _Twilio(clock, account_sid=ACCOUNT, auth_token=TOKEN, webhook=NOBODY),
        "email": ResendSimulator(clock, svix, rate=UNLIMITED),
        "telegram": TelegramSimulator(clock, token=BOT),
    }


async def _serve(file: Path) -> None:
    simulators, mails = _http(), SmtpSimulator(SystemClock())
    mails.keeps = False  # whoever takes a mail need not read it

    async def counts(_request: web.Request) -> web.Response:
        """How much has arrived since the last time."""
        found = {name: len(one.messages) for name, one in simulators.items()} | {"smtp": mails.taken}
        mails.taken = 0
        for one in simulators.values():
            one.messages.clear()
        return web.json_response(found)

    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for name, one in simulators.items():
            listening, urls[name] = _bound()
            await stack.enter_async_context(served(one, listening))
        urls["smtp"] = f"127.0.0.1:{await stack.enter_async_context(smtp_served(mails))}"
        counter = web.Application()
        counter.add_routes([web.get("/counts", counts)])
        runner = web.AppRunner(counter, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        listening, urls["counts"] = _bound()
        await web.SockSite(runner, listening).start()
        await asyncio.to_thread(_write, file, urls)
        await asyncio.Event().wait()


def _write(file: Path, urls: Mapping[str, str]) -> None:
    draft = file.with_suffix(".draft")
    draft.write_bytes(orjson.dumps(urls))
    draft.replace(file)


if __name__ == "__main__":
    run(_serve(Path(sys.argv[1])))
