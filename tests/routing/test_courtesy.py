"""A walk gives way to what was just published, but goes on in the end."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from bus.tasks import spawn
from routing import router
from routing.courtesy import Courtesy
from routing.router import Router
from routing.telling import Telling
from schemas.db import Connection
from schemas.events.content import ContentCreated
from tests.routing.house import House
from tests.routing.post import tips

TOLD = "SELECT count(*) FROM notifications WHERE topic = $1"


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


class Asked(Courtesy):
    """Says when somebody gives way."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def give_way(self, at_most_s: float) -> None:
        self.asked.set()
        await super().give_way(at_most_s)


async def test_a_walk_tells_nobody_while_something_urgent_is_under_way(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("routing.walker.GIVE_WAY_S", 60)
    await house.pool.execute("INSERT INTO users (id) VALUES ('fan')")
    await house.pool.execute("INSERT INTO audience_members VALUES ('followers', 'ann', 'fan')")
    await house.publish(ContentCreated(content_id="c", author="ann", kind="post", title="t"))
    await house.relay()
    await house.handle(router.GROUP)
    courtesy = Asked()
    walker = house.another_walker("w2", courtesy=courtesy)
    with courtesy.urgent():
        walking = spawn(walker.step(), name="walking")
        await asyncio.wait_for(courtesy.asked.wait(), 5)
        assert await house.pool.fetchval(TOLD, "follows") == 0
    assert await asyncio.wait_for(walking, 5)
    assert await house.pool.fetchval(TOLD, "follows") == 1


async def test_a_walk_gives_way_as_long_as_somebody_is_told(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    courtesy = Courtesy()
    house.router = Router(house.teller, house.people, house.clock, courtesy=courtesy)
    tell_all, waited = house.teller.tell_all, []

    async def telling(tx: Connection, tellings: Sequence[Telling], now: datetime) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(courtesy.give_way(60), 0.05)
        waited.append(True)
        await tell_all(tx, tellings, now)

    monkeypatch.setattr(house.teller, "tell_all", telling)
    await house.pool.execute("INSERT INTO users (id) VALUES ('ann')")
    await house.told(*tips(["ann"]))
    await asyncio.wait_for(courtesy.give_way(60), 5)
    assert waited == [True]
    assert await house.pool.fetchval(TOLD, "tips") == 1
