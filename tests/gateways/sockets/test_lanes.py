"""The order of one connection's work."""

import asyncio
from collections.abc import Awaitable, Callable

from gateways.sockets.lanes import Lanes
from tests.waiting import until


class Log:
    """Work that notes when it starts and ends, and ends when told."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def work(self, name: str) -> Callable[[], Awaitable[None]]:
        gate = self.gates.setdefault(name, asyncio.Event())

        async def do() -> None:
            await gate.wait()
            self.done.append(name)

        return do

    def let(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()


async def test_work_of_one_lane_is_done_in_order() -> None:
    lanes, log = Lanes(9), Log()
    for name in "abc":
        await lanes.put("/feed", log.work(name))
    log.let("c", "b", "a")
    await lanes.finish()
    assert log.done == ["a", "b", "c"]


async def test_lanes_do_not_wait_for_each_other() -> None:
    lanes, log = Lanes(9), Log()
    await lanes.put("/feed", log.work("a"))
    await lanes.put("/live", log.work("b"))
    log.let("b")

    async def second_is_done() -> bool:
        return log.done == ["b"]

    await until(second_is_done)
    log.let("a")
    await lanes.finish()
    assert log.done == ["b", "a"]


async def test_who_brings_too_much_waits() -> None:
    lanes, log = Lanes(2), Log()
    await lanes.put("/feed", log.work("a"))
    await lanes.put("/feed", log.work("b"))
    third = asyncio.ensure_future(lanes.put("/live", log.work("c")))
    await asyncio.sleep(0)
    assert not third.done()
    log.let("a", "b", "c")
    await third
    await lanes.finish()
    assert log.done == ["a", "b", "c"]


async def test_work_that_fails_does_not_block_its_lane() -> None:
    lanes, log = Lanes(1), Log()

    async def fail() -> None:
        raise ZeroDivisionError

    await lanes.put("/feed", fail)
    await lanes.put("/feed", log.work("a"))
    log.let("a")
    await lanes.finish()
    assert log.done == ["a"]


async def test_finished_lanes_leave_nothing_behind() -> None:
    lanes, log = Lanes(1), Log()
    await lanes.put("/feed", log.work("a"))
    log.let("a")
    await lanes.finish()
    assert not lanes._lanes
    assert not lanes._tasks
