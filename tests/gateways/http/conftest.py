"""Fixtures of the HTTP doors: a server, and callers of every kind."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from bus.appender import Appender
from bus.memory import MemoryBus
from bus.partitions import agree
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from gateways.gateway import Gateway
from schemas.db import Pool
from tests.gateways.http.served import Caller, gateway_on, serving, with_limits

PARTITIONS = 4

WithLimits = Callable[..., Gateway]


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
async def gateway(database: str, pool: Pool, bus: MemoryBus) -> AsyncIterator[Gateway]:
    async with gateway_on(database, pool, bus) as made:
        yield made


@pytest.fixture
def limited(gateway: Gateway) -> WithLimits:
    return partial(with_limits, gateway)


@pytest.fixture
async def nobody(gateway: Gateway) -> AsyncIterator[Caller]:
    """A caller without a token; `being(user, *scopes)` makes one with it."""
    async with serving(gateway) as caller:
        yield caller


@pytest.fixture
def service(nobody: Caller) -> Caller:
    return nobody.being("shop", "publish")


@pytest.fixture
def admin(nobody: Caller) -> Caller:
    return nobody.being("root", "admin")


@pytest.fixture
async def relaying(database: str, pool: Pool, bus: MemoryBus) -> AsyncIterator[None]:
    """A relay at work, so that events get their numbers."""
    async with pool.acquire() as tx, tx.transaction():
        await agree(tx, PARTITIONS)
    appender = Appender(bus, pool, partitions=PARTITIONS, groups=["stats"], window_s=120)
    task = spawn(Relay(database, appender, RelayConfig(partitions=PARTITIONS)).run(), name="relay")
    yield
    await cancel(task)
