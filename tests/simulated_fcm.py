"""The simulator of FCM for tests: in this process, on a port of its own."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ops.simulators.base import Behaviour, Message, Mode
from ops.simulators.fcm import FcmSimulator
from ops.simulators.fcm_tokens import service_account
from ops.simulators.running import served
from schemas.clock import Clock, SystemClock


@dataclass
class Fcm:
    """A running simulator of FCM."""

    simulator: FcmSimulator
    url: str

    @property
    def messages(self) -> list[Message]:
        return self.simulator.messages

    @property
    def credentials(self) -> str:
        """The key of an account that it knows."""
        return _account().replace("http://url", self.url)

    def behave(self, mode: Mode, address: str | None = None, times: int | None = None) -> None:
        self.simulator.behaviours.put(Behaviour(mode=mode, address=address, all=address is None, times=times))

    def shown(self, address: str | None = None) -> list[Message]:
        """What a person sees: the last of those that devices take for the same."""
        last: dict[tuple[str, ...], Message] = {}
        for one in self.messages:
            if address in {None, one.address}:
                last[one.address, *collapse_ids(one.raw)] = one
        return list(last.values())


@cache
def _account() -> str:
    """Keys take long to make."""
    return service_account("http://url")


def collapse_ids(asked: dict[str, Any]) -> Iterator[str]:
    """By what the devices of each platform know that they have a message already."""
    message = asked["message"]
    for found in (
        message.get("android", {}).get("notification", {}).get("tag"),
        message.get("apns", {}).get("headers", {}).get("apns-collapse-id"),
        message.get("webpush", {}).get("notification", {}).get("tag"),
    ):
        if found is not None:
            yield str(found)


@asynccontextmanager
async def fcm_simulated(*, clock: Clock | None = None) -> AsyncIterator[Fcm]:
    simulator = FcmSimulator(clock or SystemClock())
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    async with served(simulator, listening):
        yield Fcm(simulator, f"http://127.0.0.1:{listening.getsockname()[1]}")
