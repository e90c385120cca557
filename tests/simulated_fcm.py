"""The simulator of FCM for tests: in this process, on a port of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from ops.simulators.base import Message
from ops.simulators.fcm import FcmSimulator
from ops.simulators.fcm_tokens import service_account
from schemas.clock import Clock, SystemClock
from tests.simulated import Simulated, running


@dataclass
class Fcm(Simulated[FcmSimulator]):
    """A running simulator of FCM."""

    @property
    def credentials(self) -> str:
        """The key of an account that it knows."""
        return _account().replace("http://url", self.url)

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
    async with running(simulator) as url:
        yield Fcm(simulator, url)
