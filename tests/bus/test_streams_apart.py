"""Streams lie on different servers: one that is away delays its own, which then lack and double nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bus import telemetry
from bus.appender import Appender
from bus.base import PUSH, BusError, Entry, events_stream
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from schemas.db import Pool
from tests.bus.conftest import PARTITIONS, Publish, relayed
from tests.waiting import until

STREAMS = (PUSH, *map(events_stream, range(PARTITIONS)))


class OneAway(MemoryBus):
    """A server for each stream, one of which may be away: it refuses, or hangs until it is back."""

    def __init__(self) -> None:
        super().__init__()
        self.away = ""
        self.hangs = False
        self.back = asyncio.Event()

    async def _reach(self, *streams: str) -> None:
        if self.away in streams:
            if not self.hangs:
                raise BusError("refused")
            await self.back.wait()

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        await self._reach(stream)
        return await super().append(stream, last, entries)

    async def last(self, streams: Sequence[str]) -> list[int]:
        await self._reach(*streams)
        return await super().last(streams)

    async def tail(self, stream: str) -> Entry | None:
        await self._reach(stream)
        return await super().tail(stream)

    def return_(self) -> None:
        self.away = ""
        self.back.set()


@pytest.fixture
async def bus(database: str, pool: Pool, agreed: None) -> AsyncIterator[OneAway]:
    """With a relay that looks at a stream when it begins and after a failure, and not again."""
    made = OneAway()
    appender = Appender(made, pool, partitions=PARTITIONS, groups=["g"], window_s=120, heal_s=3600)
    relay = Relay(database, appender, RelayConfig(partitions=PARTITIONS, standby_s=0.05))
    task = spawn(relay.run(), name="relay")
    yield made
    await cancel(task)


async def wait_whole(bus: OneAway, pool: Pool, *streams: str) -> None:
    relay_log = RelayLog(pool)

    async def whole() -> bool:
        heads = [await relay_log.head(stream) for stream in streams]
        return min(heads) > 0 and await bus.last(streams) == heads

    await until(whole)


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "refuses"])
@pytest.mark.parametrize("away", [PUSH, events_stream(1)])
async def test_a_stream_that_is_away_delays_no_other(
    pool: Pool, publish: Publish, bus: OneAway, away: str, hangs: bool
) -> None:
    await publish(20, subjects=20)
    await relayed(pool, 20)
    await wait_whole(bus, pool, *STREAMS)
    mended = telemetry.total(telemetry.MENDED)
    bus.away, bus.hangs = away, hangs
    for count in range(40, 121, 20):
        await publish(20, subjects=20)
        await relayed(pool, count)
        await wait_whole(bus, pool, *(stream for stream in STREAMS if stream != away))
    assert telemetry.total(telemetry.MENDED) == mended  # they came at once, and not from the log
    bus.return_()
    await wait_whole(bus, pool, *STREAMS)
    relay_log = RelayLog(pool)
    assert await bus.read(PUSH, 0, count=1000, block_ms=1) == await relay_log.push(0, 1000)
    for partition in range(PARTITIONS):
        held = await bus.read(events_stream(partition), 0, count=1000, block_ms=1)
        assert held == await relay_log.events(partition, 0, 1000)
