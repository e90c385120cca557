"""Viewer counts over several gateways: their sums, their renewal, and what becomes of who left."""

import asyncio
import gc

import pytest

from bus.base import BusError
from bus.memory import MemoryBus
from bus.tasks import cancel, spawn
from bus.viewers import ViewerCounts
from tests.waiting import until


class SlowBus(MemoryBus):
    """A bus on which the counts of one gateway arrive only when they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[tuple[str, int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        if member == "slow":
            self.arrived.append((name.removeprefix("viewers:"), value))
            await self.open.wait()
        return await super().count(name, member, value, ttl_s)


class AwayBus(MemoryBus):
    """A bus that cannot be reached."""

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        raise BusError("away")


@pytest.fixture
def bus() -> SlowBus:
    return SlowBus()


@pytest.fixture
def counts(bus: SlowBus) -> ViewerCounts:
    return ViewerCounts(bus, "slow")


async def total(bus: MemoryBus, stream_id: str) -> int:
    """What another gateway without viewers hears."""
    return await ViewerCounts(bus, "another").set(stream_id, 0)


async def writes(bus: SlowBus, number: int) -> None:
    """Wait until so many counts are on their way or there."""

    async def there() -> bool:
        return len(bus.arrived) >= number

    await until(there)


async def test_counts_of_all_gateways_are_summed(bus: SlowBus, counts: ViewerCounts) -> None:
    assert await counts.set("s1", 2) == 2
    assert await ViewerCounts(bus, "another").set("s1", 3) == 5
    assert await counts.set("s1", 0) == 3


async def test_without_the_bus_ones_own_are_known() -> None:
    assert await ViewerCounts(AwayBus(), "test").set("s1", 2) == 2


async def test_counts_are_renewed_as_they_are(bus: SlowBus, counts: ViewerCounts) -> None:
    await counts.set("s1", 1)
    await counts.set("s2", 2)
    await counts.set("s2", 3)
    bus.arrived.clear()
    renewing = spawn(counts.run(), name="renewing")
    await writes(bus, 2)
    await cancel(renewing)
    assert bus.arrived == [("s1", 1), ("s2", 3)]


async def test_whose_last_viewer_leaves_during_a_renewal_is_not_renewed(
    bus: SlowBus, counts: ViewerCounts
) -> None:
    await counts.set("s1", 1)
    await counts.set("s2", 1)
    bus.arrived.clear()
    bus.open.clear()
    renewing = spawn(counts.renew(), name="renewing")
    await writes(bus, 1)  # it waits at s1
    leaving = spawn(counts.set("s2", 0), name="leaving")
    await writes(bus, 2)
    bus.open.set()
    await asyncio.gather(renewing, leaving)
    await counts.renew()
    assert bus.arrived == [("s1", 1), ("s2", 0), ("s1", 1)]
    assert await total(bus, "s2") == 0


async def test_a_change_waits_until_the_renewal_of_its_stream_has_arrived(
    bus: SlowBus, counts: ViewerCounts
) -> None:
    await counts.set("s1", 1)
    bus.arrived.clear()
    bus.open.clear()
    renewing = spawn(counts.renew(), name="renewing")
    await writes(bus, 1)
    changes = [spawn(counts.set("s1", count), name="change") for count in (2, 0)]
    await asyncio.sleep(0)
    assert bus.arrived == [("s1", 1)]  # two on their way at once could overtake each other
    bus.open.set()
    assert await asyncio.gather(*changes) == [0, 0]
    await renewing
    assert {value for _, value in bus.arrived[1:]} == {0}
    assert await total(bus, "s1") == 0


async def test_streams_that_nobody_watches_leave_nothing_behind(counts: ViewerCounts) -> None:
    for n in range(100):
        await counts.set(f"s{n}", 1)
        await counts.set(f"s{n}", 0)
    gc.collect()
    assert (len(counts._mine), len(counts._locks)) == (0, 0)
