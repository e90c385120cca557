"""Owns the house: PostgreSQL, Valkey, three gateways, two workers, and the lines that lead to them."""

import asyncio
import os
import signal
import sysconfig
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import redis

from ops.bench.hubs import environment_of
from ops.bench.services import Services
from ops.chaos.line import Line
from ops.chaos.member import Member
from ops.embedded.ports import find_free

GATEWAYS: Final = 3
SEVERAL: Final = "2"
"""Workers of the first gateway."""
POOL: Final = "8"
"""Connections to PostgreSQL of each process: there are many, and some replace others."""


@dataclass(slots=True)
class House:
    """What can be damaged."""

    services: Services
    gateways: list[Member]
    workers: list[Member]
    line: Line
    """To all gateways that are up, in turn."""
    steady: list[Line]
    """Each to one gateway only, as those who poll need it."""
    valkey_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def members(self) -> list[Member]:
        return [*self.gateways, *self.workers]

    @property
    def lines(self) -> list[Line]:
        return [self.line, *self.steady]

    def lead(self) -> None:
        """Lead the lines to the gateways that are up, as a load balancer does that looks after them."""
        self.line.lead_to(*(gateway.url for gateway in self.gateways if gateway.up))
        for line, gateway in zip(self.steady, self.gateways, strict=True):
            line.lead_to(gateway.url if gateway.up else None)

    async def kill_valkey(self) -> None:
        """End it with kill -9; it keeps nothing."""
        valkey = self.services.valkey
        if valkey.pid is not None:
            os.kill(valkey.pid, signal.SIGKILL)
        while valkey.alive:  # noqa: ASYNC110  it is another process
            await asyncio.sleep(0.01)

    async def start_valkey(self) -> None:
        """Start it again, on its old port."""
        for pause in self.services.valkey.starting():
            await asyncio.sleep(pause)

    async def empty_valkey(self) -> None:
        """FLUSHALL."""
        await asyncio.to_thread(self._flush)

    def _flush(self) -> None:
        with redis.Redis.from_url(self.services.redis_url) as client:
            client.flushall()


@asynccontextmanager
async def house(services: Services) -> AsyncIterator[House]:
    """Run all of it meanwhile."""
    environment = environment_of(services) | {"HUB_DATABASE_POOL": POOL}
    gateways = [_gateway(number, services, environment) for number in range(1, GATEWAYS + 1)]
    workers = [_member(f"work-{number}", ["work"], services, environment) for number in (1, 2)]
    async with AsyncExitStack() as stack:
        made = House(services, gateways, workers, Line(), [Line() for _ in gateways])
        stack.callback(_stop, made)
        await asyncio.gather(*(member.start() for member in made.members))
        for line in made.lines:
            await line.start()
            stack.push_async_callback(line.stop)
        made.lead()
        yield made


def _gateway(number: int, services: Services, environment: dict[str, str]) -> Member:
    port = find_free()
    several = ["--workers", SEVERAL] if number == 1 else []
    command = ["serve", "--port", str(port), *several]
    return _member(f"gateway-{number}", command, services, environment, port=port)


def _member(
    name: str, arguments: list[str], services: Services, environment: dict[str, str], port: int = 0
) -> Member:
    program = Path(sysconfig.get_path("scripts")) / "hub"
    return Member(name, [program, *arguments], environment=environment, folder=services.folder, port=port)


def _stop(made: House) -> None:
    for member in made.members:  # all at once, because each takes a while
        member.ask_to_stop()
    for member in made.members:
        member.stop()
