"""Owns what one measurement of `bench channels` is told and answers, and what both sides share."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from ops.bench.route_meter import Cost
from ops.loop import settle

Channel = Literal["push", "sms", "email", "smtp", "telegram"]
Who = Literal["hub", "sdk", "loop"]
"""`sdk` is the bare library with as many calls under way as the hub has, `loop` one call after the other."""

CHANNELS: Final[tuple[Channel, ...]] = ("push", "sms", "email", "smtp", "telegram")
LANES: Final = 2
PUBLIC_URL: Final = "https://hub.example.com"
SENDER: Final = "Hub <hub@example.com>"
ACCOUNT: Final = "AC0123456789abcdef"
SERVICE: Final = "MG0123456789abcdef"
TOKEN: Final = "re_bench"  # noqa: S105  the simulators take any
BOT: Final = "4242:bench"
# What a lane has under way at once, as the channels say; the mail server takes so many connections.
AT_ONCE: Final[dict[Channel, int]] = {"push": 500, "sms": 100, "email": 100, "smtp": 20, "telegram": 100}
CONNECTIONS: Final = 10


class Seat(BaseModel):
    """What one measurement is told."""

    model_config = ConfigDict(frozen=True)

    who: Who
    channel: Channel
    count: int
    warm: int
    url: str
    """Of the simulator; of the mail server 127.0.0.1:PORT."""
    dsn: str


class Found(BaseModel):
    """What it found."""

    sent: int
    elapsed: float
    own: float
    postgres: float

    @property
    def cost(self) -> Cost:
        return Cost(self.elapsed, self.own, self.postgres)


Send = Callable[[int], Awaitable[int]]
"""Sends so many messages; answers how many were taken."""


def address(channel: Channel, number: int) -> str:
    """Where the person of this number is reached."""
    match channel:
        case "push":
            return f"device-{number:07}"
        case "sms":
            return f"+1555{number:07}"
        case "telegram":
            return str(10_000_000 + number)
        case _:
            return f"u{number:07}@example.com"


async def alone(send: Send, count: int) -> Found:
    """Measure what needs nobody else."""
    settle()
    began, own = time.monotonic(), time.process_time()
    sent = await send(count)
    return Found(sent=sent, elapsed=time.monotonic() - began, own=time.process_time() - own, postgres=0)


async def side_by_side(send: Callable[[int], Awaitable[int]], count: int, at_once: int) -> int:
    """Call for each number, so many at a time."""
    numbers = iter(range(1, count + 1))

    async def work() -> int:
        return sum([await send(number) for number in numbers])

    return sum(await asyncio.gather(*(work() for _ in range(at_once))))
