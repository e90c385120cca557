"""What is said too often is counted instead."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from structlog.testing import capture_logs

from bus.base import BusError
from bus.memory import MemoryBus
from bus.seldom import Seldom
from bus.signals import Signals
from bus.tasks import cancel, forever, spawn
from schemas.db import RETRYABLE
from schemas.listen import Listener
from tests.waiting import until


def test_the_same_thing_is_said_every_few_seconds_with_what_was_left_unsaid() -> None:
    now = 100.0
    say = Seldom(structlog.get_logger(), every_s=5, clock=lambda: now)
    with capture_logs() as logs:
        for at in (100.0, 101.0, 104.9, 105.0, 106.0, 120.0):
            now = at
            say("away", error="refused")
    assert [(line["event"], line["log_level"], line.get("unsaid")) for line in logs] == [
        ("away", "warning", None),
        ("away", "warning", 2),
        ("away", "warning", 1),
    ]


class Away(MemoryBus):
    """A server that nobody reaches; counts who tried."""

    attempts = 0

    @asynccontextmanager
    async def signals(self) -> AsyncIterator[AsyncIterator[bytes]]:
        self.attempts += 1
        raise BusError("refused")
        yield


async def test_a_server_that_is_away_is_not_a_line_for_each_attempt() -> None:
    bus = Away()

    async def tried_often() -> bool:
        return bus.attempts >= 4

    with capture_logs() as logs:
        listening = spawn(Signals(bus).run(lambda _: None), name="signals")
        await until(tried_often)
        await cancel(listening)
    assert [line["event"] for line in logs] == ["no signals are heard"]


@pytest.mark.parametrize("error", [ConnectionRefusedError("away"), KeyError("a mistake")], ids=repr)
async def test_work_that_fails_all_the_time_is_not_a_line_for_each_attempt(error: Exception) -> None:
    attempts = 0

    async def work() -> None:
        nonlocal attempts
        attempts += 1
        raise error

    async def tried_often() -> bool:
        return attempts >= 4

    with capture_logs() as logs:
        working = spawn(forever(work, name="work", pause_s=0.001), name="work")
        await until(tried_often)
        await cancel(working)
    assert [line["task"] for line in logs] == ["work"]


async def test_a_database_that_is_away_interrupts_listening_and_is_waited_out() -> None:
    with pytest.raises(RETRYABLE):
        await Listener("postgres://127.0.0.1:1/none", "news").listen()
