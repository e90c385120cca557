"""Fixtures of routing: a house whose relay, groups and walker move when a test says so."""

from collections.abc import AsyncIterator

import pytest

from schemas.db import Pool
from tests.routing.house import House
from tests.routing.post import EMAIL, Post, email_at, tips
from tests.routing.scripted import TELEGRAM, with_chat
from tests.simulated import Resend, resend_simulated


@pytest.fixture
async def house(database: str, pool: Pool) -> AsyncIterator[House]:
    made = await House(database, pool).begin()
    yield made
    assert not await made.dead()
    await made.end()


@pytest.fixture
async def resend() -> AsyncIterator[Resend]:
    async with resend_simulated() as running:
        yield running


@pytest.fixture
async def mailing(database: str, pool: Pool) -> AsyncIterator[House]:
    """A house whose deployment has e-mail."""
    house = await House(database, pool, channels=EMAIL).begin()
    yield house
    assert not await house.dead()
    await house.end()


@pytest.fixture
async def post(mailing: House, resend: Resend) -> AsyncIterator[Post]:
    channel = email_at(resend.url, mailing.clock, call_s=1.5)
    yield Post(mailing, channel)
    await channel.close()


@pytest.fixture
async def chatting(database: str, pool: Pool) -> AsyncIterator[House]:
    """A house of whose people one waits for a message of Telegram."""
    house = await House(database, pool, channels=TELEGRAM).begin()
    await with_chat(house, "ann", "42")
    await house.told(*tips(["ann"]))
    yield house
    await house.end()
