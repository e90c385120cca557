"""Simulators of providers for tests: in this process, on a port of their own."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from ops.simulators.base import Behaviour, Message, Mode, Simulator
from ops.simulators.resend import ResendSimulator
from ops.simulators.running import served
from ops.simulators.svix import Svix
from schemas.clock import Clock, SystemClock

WEBHOOK_SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw=="
NOBODY = "http://127.0.0.1:9"


@dataclass
class FakeClock:
    """A clock that stands still until it is told otherwise."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 21, 12, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.at

    def go(self, by: timedelta) -> None:
        self.at += by


S = TypeVar("S", bound=Simulator)


@dataclass
class Simulated(Generic[S]):
    """A running simulator, as a test sees it."""

    simulator: S
    url: str

    @property
    def messages(self) -> list[Message]:
        return self.simulator.messages

    def behave(self, mode: Mode, address: str | None = None, times: int | None = None) -> None:
        self.simulator.behaviours.put(Behaviour(mode=mode, address=address, all=address is None, times=times))


@asynccontextmanager
async def running(simulator: Simulator) -> AsyncIterator[str]:
    """Serve one; answers its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    async with served(simulator, listening):
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@dataclass
class Resend(Simulated[ResendSimulator]):
    """A running simulator of Resend."""


@asynccontextmanager
async def resend_simulated(
    *, hub_url: str = NOBODY, rate: int = 10_000, clock: Clock | None = None
) -> AsyncIterator[Resend]:
    """Run one; it tells the hub under `hub_url` what became of mails."""
    svix = Svix(f"{hub_url}/webhooks/resend", WEBHOOK_SECRET, SystemClock())
    simulator = ResendSimulator(clock or SystemClock(), svix, rate=rate)
    async with running(simulator) as url:
        yield Resend(simulator, url)
