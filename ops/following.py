"""Owns following the events of a running hub: a cut connection is taken up behind the last event shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import aiohttp

from bus.tasks import cancelled
from gateways.auth import COMMAND_LINE
from ops.client import PATIENCE, client, refused
from ops.settings import Settings

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0

Event = dict[str, Any]
Say = Callable[[str], None]


class Follower:
    """One reader of the log; `show` gets the events, `say` what a waiting person wants to know."""

    def __init__(self, settings: Settings, show: Callable[[Event], None], say: Say) -> None:
        self._settings = settings
        self._show = show
        self._say = say
        self._last: dict[str, str] = {}
        self._begun = False
        self._pause_s = FIRST_PAUSE_S

    async def run(self, wanted: dict[str, str]) -> None:
        """Follow until cancelled; raises SettingsError or click.ClickException when it cannot even begin."""
        # Asked here as well: a cancellation (Ctrl-C) that meets a broken connection may become its error.
        while not cancelled():
            async with client(self._settings, COMMAND_LINE, "admin") as session:  # with a token that is fresh
                reason = await self._listen(session, wanted)
            self._say(f"{reason}; trying again in {self._pause_s:.0f} s")
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _listen(self, session: aiohttp.ClientSession, wanted: dict[str, str]) -> str:
        """Show what comes; answers why nothing comes any more."""
        try:
            async with session.get("/v1/events/tail", params=wanted, headers=self._last) as response:
                if response.status != 200:
                    error = await refused(response)
                    if not self._begun or response.status not in PATIENCE:
                        raise error
                    return error.message
                self._welcome()
                async for seq, event in _messages(response):
                    self._last = {"Last-Event-ID": seq}
                    self._show(event)
        except aiohttp.ClientConnectorError:
            if not self._begun:
                raise
            return f"no hub answers at {self._settings.public_url}"
        except (aiohttp.ClientError, TimeoutError):
            if not self._begun:
                raise
        return "the connection was cut"

    def _welcome(self) -> None:
        self._say("connected again" if self._begun else "waiting for events; Ctrl-C stops")
        self._begun, self._pause_s = True, FIRST_PAUSE_S


async def _messages(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, Event]]:
    """Read a text/event-stream (WHATWG HTML, server-sent events): `id` and `data` fields."""
    seq, data = "", ""
    async for raw in response.content:
        field, _, value = raw.decode().rstrip("\r\n").partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            seq = value
        elif field == "data":
            data += value
        elif not field and data and not value:
            yield seq, json.loads(data)
            data = ""
