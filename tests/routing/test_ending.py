"""Dispatchers that are asked to end while calls are under way."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bus.tasks import cancel, forever, spawn
from routing import dispatcher as module
from routing.dispatcher import Dispatcher, Sender
from routing.people import People
from routing.retelling import Retelling
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store.deliveries import WAKE
from tests.routing.house import House
from tests.routing.post import LEASE, tips
from tests.routing.scripted import TELEGRAM, Plain, Scripted, with_chat
from tests.waiting import until

STANDING = "SELECT status, provider IS NULL FROM deliveries ORDER BY 1, 2"


@pytest.fixture
def channel() -> Scripted:
    """Its calls last until the test says so."""
    made = Scripted()
    made.gates["c-ann"] = asyncio.Event()
    return made


@pytest.fixture
async def sending(database: str, pool: Pool, channel: Scripted) -> AsyncIterator[Dispatcher]:
    """It has called for the first of two messages to Ann."""
    house = await House(database, pool, channels=TELEGRAM).begin()
    house.clock.moment = SystemClock().now()
    await with_chat(house, "ann", "c-ann")
    await house.told(*tips(["ann"] * 2))
    listener = Listener(database, WAKE)
    made = Dispatcher(
        [Sender(channels=(channel,), writer=Plain(), lanes=1)],
        worker="d",
        pool=pool,
        listener=listener,
        tellings=Retelling(People()),
        clock=SystemClock(),
        lease=LEASE,
    )
    running = [
        spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener"),
        spawn(made.run(), name="dispatcher"),
    ]

    async def called() -> bool:
        return bool(channel.asked)

    await until(called)
    yield made
    await cancel(*running)
    await house.end()


async def test_who_is_asked_to_end_keeps_its_calls_and_waits_for_their_answers(
    pool: Pool, sending: Dispatcher, channel: Scripted
) -> None:
    ending = spawn(sending.end(), name="ending")
    lease = await pool.fetchval("SELECT lease_until FROM deliveries WHERE status = 'sending' LIMIT 1")
    later = (
        "SELECT lease_until > $1::timestamptz + interval '2 seconds' FROM deliveries WHERE status = 'sending'"
    )
    await until(lambda: pool.fetchval(later, lease))  # so long nobody is cut, nor taken over
    assert not ending.done()
    channel.gates["c-ann"].set()
    await ending
    assert channel.asked == ["c-ann"]
    assert [tuple(row) for row in await pool.fetch(STANDING)] == [("queued", True), ("sent", False)]


async def test_who_ends_waits_for_ever_for_nobody(
    sending: Dispatcher, channel: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_S", 0.05)
    await sending.end()
    assert channel.under_way == 1
    monkeypatch.setattr(module, "DRAIN_S", 30.0)
    async with asyncio.timeout(1):
        await sending.end()  # asked again, it does not wait again


async def test_who_ends_with_nothing_under_way_does_so_at_once(
    pool: Pool, sending: Dispatcher, channel: Scripted
) -> None:
    channel.gates["c-ann"].set()
    await until(lambda: pool.fetchval("SELECT every(status = 'sent') FROM deliveries"))
    async with asyncio.timeout(1):
        await sending.end()
