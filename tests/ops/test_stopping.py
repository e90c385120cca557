"""Asked to end by a signal: while it runs, while it still starts, and a second time."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus.tasks import spawn
from ops.settings import SettingsError
from ops.stopping import SIGNALS, on_signal, stoppable
from tests.waiting import until


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
        with stoppable() as stop:
            try:
                with stop.starting():
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


async def _was_heard() -> bool:
    return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


async def test_a_start_that_failed_cleans_up_and_says_why_whoever_asks_meanwhile() -> None:
    cleaning, goes_on, said = asyncio.Event(), asyncio.Event(), []

    async def live() -> None:
        with stoppable() as stop:
            try:
                with stop.starting():
                    raise SettingsError("the database did not answer")
            finally:
                cleaning.set()
                await goes_on.wait()
                said.append("cleaned up")

    living = spawn(live(), name="live")
    await cleaning.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await until(_was_heard)
    goes_on.set()

    with pytest.raises(SettingsError, match="the database did not answer"):
        await asyncio.wait_for(living, 10)
    assert said == ["cleaned up"]


async def test_why_a_start_failed_is_said_also_if_its_own_cleanup_is_broken_off() -> None:
    cleaning = asyncio.Event()

    @asynccontextmanager
    async def part() -> AsyncIterator[None]:
        try:
            raise SettingsError("the database did not answer")
            yield
        finally:
            cleaning.set()
            await asyncio.Event().wait()

    async def live() -> None:
        with stoppable() as stop, stop.starting():
            async with part():
                pytest.fail("it has failed")

    living = spawn(live(), name="live")
    await cleaning.wait()
    os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SettingsError, match="the database did not answer"):
        await asyncio.wait_for(living, 10)


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
