"""A walk gives way to what was just published, but goes on in the end."""

import asyncio

import pytest

from bus.tasks import spawn
from routing.courtesy import Courtesy


async def test_who_walks_waits_until_everything_urgent_is_done() -> None:
    courtesy = Courtesy()
    with courtesy.urgent():
        with courtesy.urgent():
            walking = spawn(courtesy.give_way(60), name="walking")
        await asyncio.sleep(0)
        assert not walking.done()
    await asyncio.wait_for(walking, 5)


async def test_nobody_waits_where_nothing_is_urgent_or_it_failed() -> None:
    courtesy = Courtesy()
    await asyncio.wait_for(courtesy.give_way(60), 5)
    with pytest.raises(ValueError, match="wrong"), courtesy.urgent():
        raise ValueError("wrong")
    await asyncio.wait_for(courtesy.give_way(60), 5)


async def test_what_is_urgent_for_long_does_not_stop_a_walk() -> None:
    courtesy = Courtesy()
    with courtesy.urgent():
        await asyncio.wait_for(courtesy.give_way(0.01), 5)
