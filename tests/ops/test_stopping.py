"""Asked to end by a signal: while it runs, while it still starts, and a second time."""

import asyncio
import os
import signal

import pytest

from bus.tasks import spawn
from ops.stopping import SIGNALS, on_signal, stoppable


@pytest.mark.parametrize("number", SIGNALS)
async def test_the_first_signal_asks_and_the_second_is_no_longer_caught(number: signal.Signals) -> None:
    asked = asyncio.Event()
    on_signal(asked.set)
    assert not asked.is_set()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(asked.wait(), 10)
    assert [signal.getsignal(one) for one in SIGNALS] == [signal.default_int_handler, signal.SIG_DFL]


async def test_who_waits_for_it_ends_in_its_own_order() -> None:
    said = []

    async def live() -> None:
        with stoppable() as stop:
            os.kill(os.getpid(), signal.SIGTERM)
            await stop.wait()
            said.append("asked")
            await asyncio.sleep(0)
            said.append("ended")

    await asyncio.wait_for(spawn(live(), name="live"), 10)

    assert said == ["asked", "ended"]


async def test_who_still_starts_is_broken_off_and_has_ended_well() -> None:
    begun, said = asyncio.Event(), []

    async def live() -> None:
        with stoppable():
            try:
                begun.set()
                await asyncio.Event().wait()
            finally:
                said.append("cleaned up")
        said.append("ended")

    living = spawn(live(), name="live")
    await begun.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(living, 10)

    assert said == ["cleaned up", "ended"]
    assert living.cancelling() == 0


async def test_who_is_cancelled_without_a_signal_is_cancelled() -> None:
    begun = asyncio.Event()

    async def live() -> None:
        with stoppable():
            begun.set()
            await asyncio.Event().wait()

    living = spawn(live(), name="live")
    await begun.wait()
    living.cancel()

    with pytest.raises(asyncio.CancelledError):
        await living
    for number in SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
