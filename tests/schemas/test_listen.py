"""Waiting for notifications: none is lost, also not one that comes while the tables are asked."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bus.tasks import cancel, spawn
from schemas import listen
from schemas.db import Pool
from schemas.listen import Listener


@pytest.fixture
async def listener(database: str, pool: Pool) -> AsyncIterator[Listener]:
    made = Listener(database, "news")
    task = spawn(made.listen(), name="listener")
    async with asyncio.timeout(20):
        # its first bell tells that it listens
        await made._bell.wait()
    yield made
    await cancel(task)


async def test_a_notification_ends_the_wait(
    listener: Listener, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "POLL_S", 60)
    told = asyncio.Event()

    async def true() -> bool:
        return told.is_set()

    waiting = asyncio.ensure_future(listener.wait_for(true, 60))
    told.set()
    await pool.execute("NOTIFY news")
    async with asyncio.timeout(20):
        assert await waiting


async def test_a_notification_that_comes_while_the_question_is_asked_is_not_lost(
    listener: Listener, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen, "POLL_S", 60)
    asked = 0

    async def true() -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:  # the answer is no; before it is given, things change and the bell rings
            rung = listener._bell
            await pool.execute("NOTIFY news")
            await rung.wait()
        return asked > 1

    async with asyncio.timeout(20):
        assert await listener.wait_for(true, 60)


async def test_a_wait_that_nothing_ends_is_over_in_time(listener: Listener) -> None:
    async def never() -> bool:
        return False

    assert not await listener.wait_for(never, 0.01)
