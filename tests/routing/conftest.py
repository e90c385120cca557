"""Fixtures of routing: a house whose relay, groups and walker move when a test says so."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ops.embedded.postgres import EmbeddedPostgres
from schemas.db import Pool, connect
from tests.routing.house import House
from tests.routing.post import EMAIL, Post, email_at
from tests.simulated import Resend, resend_simulated


@pytest.fixture
async def house(database: str, pool: Pool) -> AsyncIterator[House]:
    made = await House(database, pool).begin()
    yield made
    assert not await made.dead()
    await made.end()


@pytest.fixture
def own_database(postgres_server: EmbeddedPostgres, migrated_template: str) -> str:
    """A migrated database for a test that runs its own event loop."""

    async def create() -> None:
        connection = await connect(postgres_server.dsn)
        await connection.execute(f"CREATE DATABASE inboxes TEMPLATE {migrated_template}")
        await connection.close()

    asyncio.run(create())
    return postgres_server.dsn.rsplit("/", 1)[0] + "/inboxes"


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
    channel = email_at(resend.url, mailing.clock, call_s=0.5)
    yield Post(mailing, channel)
    await channel.close()
