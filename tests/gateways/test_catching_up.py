"""How long a gateway that starts reads what happened lately, before it lets anybody in."""

import asyncio
import re

import pytest

from bus.memory import MemoryBus
from bus.push_log import PushTail
from gateways import app
from gateways.app import StuckError, caught_up
from schemas.db import Pool


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "STUCK_S", 0.01)


class Moving(PushTail):
    """One that has come further whenever somebody looks, until it has read everything."""

    looks = 0

    @property
    def position(self) -> int:
        self.looks += 1
        if self.looks == 10:
            self.caught_up.set()
        return self.looks

    @position.setter
    def position(self, value: int | None) -> None:
        """What it is at first."""


async def test_who_gets_further_has_all_the_time(pool: Pool) -> None:
    tail = Moving(MemoryBus(), pool)

    async with asyncio.timeout(20):
        await caught_up(tail)

    assert tail.looks >= 10


@pytest.mark.parametrize(("position", "number"), [(None, 0), (17, 17)])
async def test_who_gets_no_further_says_so(pool: Pool, position: int | None, number: int) -> None:
    tail = PushTail(MemoryBus(), pool)
    tail.position = position

    with pytest.raises(StuckError, match=re.escape(f"for 0.01 s (the last one was number {number})")):
        await caught_up(tail)


async def test_who_has_read_everything_in_the_last_moment_is_not_stuck(pool: Pool) -> None:
    tail = PushTail(MemoryBus(), pool)
    tail.position = 17

    class JustNow(asyncio.Event):
        async def wait(self) -> bool:  # type: ignore[override]
            self.set()
            raise TimeoutError

    tail.caught_up = JustNow()
    await caught_up(tail)
