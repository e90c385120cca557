"""How long a gateway that starts reads what happened lately, before it lets anybody in."""

import asyncio

import pytest

from bus.memory import MemoryBus
from bus.push_log import PushTail
from gateways.app import StuckError, caught_up
from schemas.db import Pool

STUCK_S = 0.01


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
        await caught_up(tail, STUCK_S)

    assert tail.looks >= 10


@pytest.mark.parametrize(("position", "place"), [(None, "the beginning"), (17, "17")])
async def test_who_gets_no_further_says_so(pool: Pool, position: int | None, place: str) -> None:
    tail = PushTail(MemoryBus(), pool)
    tail.position = position

    with pytest.raises(StuckError, match=f"it stands at {place}"):
        await caught_up(tail, STUCK_S)
