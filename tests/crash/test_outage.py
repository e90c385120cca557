"""A provider that is away: what waits for it waits in PostgreSQL, and nothing else notices."""

import asyncio
from datetime import timedelta
from pathlib import Path
from time import monotonic
from uuid import UUID

import pytest

from routing.channels.email import EmailChannel
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.events.live import LiveStarted
from schemas.store.deliveries import WAKE
from tests.crash.providers import Providers, sender
from tests.routing.house import House
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BEFORE, MEANWHILE, PUSHED = 3_000, 9_000, 300
CALLS_A_SECOND = 5  # the simulator's limit
BURST_S = 3
LEAK = 1_000
"""Bytes that may stay in the process of each message that waits: one kept there takes several times that."""
PEOPLE = "INSERT INTO users (id) SELECT 'u' || n FROM generate_series(1, $1::int) n"
ADDRESSES = """
INSERT INTO endpoints (id, user_id, channel, address, kind, state)
SELECT gen_random_uuid(), 'u' || n, $1, format($2, n), $3, 'active' FROM generate_series(1, $4::int) n
"""
QUEUE = """
INSERT INTO deliveries (id, user_id, event_id, notification_id, topic, priority, channel, endpoint_id,
                        address, status, due_at, expires_at, created_at)
SELECT gen_random_uuid(), user_id, $2, gen_random_uuid(), 'live', 0, channel, id,
       address, 'queued', $5, $6, $5
FROM endpoints WHERE channel = $1 ORDER BY id OFFSET $3 LIMIT $4
"""
LEFT = "SELECT count(*) FROM deliveries WHERE channel = 'email' AND status <> 'sent'"
FAILURES = "SELECT count(*) FROM delivery_attempts WHERE outcome <> 'accepted'"


class Site:
    """A queue for two channels, of whose providers one is away."""

    def __init__(self, pool: Pool, event: UUID) -> None:
        self._pool = pool
        self._event = event

    async def prepare(self) -> None:
        await self._pool.execute(PEOPLE, BEFORE + MEANWHILE)
        await self._pool.execute(ADDRESSES, "email", "u%s@example.com", None, BEFORE + MEANWHILE)
        await self._pool.execute(ADDRESSES, "push", "device-%s", "token", 2 * PUSHED)

    async def queue(self, channel: str, start: int, count: int) -> None:
        now = SystemClock().now()
        later = now + timedelta(minutes=30)
        await self._pool.execute(QUEUE, channel, self._event, start, count, now, later)
        await self._pool.execute(f"NOTIFY {WAKE}")

    async def failures(self) -> int:
        return int(await self._pool.fetchval(FAILURES))

    async def shut(self) -> bool:
        return bool(
            await self._pool.fetchval("SELECT opened_at FROM provider_state WHERE provider = 'resend'")
        )

    async def drained(self) -> bool:
        return not await self._pool.fetchval(LEFT)


def resident(process: asyncio.subprocess.Process) -> int:
    """Bytes of memory that a process takes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


async def test_what_waits_takes_no_memory_holds_nobody_up_and_leaves_within_the_limit(
    database: str, pool: Pool, providers: Providers
) -> None:
    house = await House(database, pool, channels=("push", "email")).begin()
    house.clock.moment = SystemClock().now()
    event = LiveStarted(stream_id="s1", host="host", title="it takes a while")
    await house.told(event)
    site = Site(pool, event.id)
    await site.prepare()
    providers.resend.behave("down")
    async with sender("only", providers.told(database)) as process:
        await site.queue("email", 0, BEFORE)
        await site.queue("push", 0, PUSHED)
        await until(site.shut, within_s=60)
        await providers.arrived(PUSHED)
        before, failures = resident(process), await site.failures()
        await site.queue("email", BEFORE, MEANWHILE)
        await site.queue("push", PUSHED, PUSHED)
        await providers.arrived(2 * PUSHED)
        await until(lambda: _more(site, failures), within_s=60)
        assert resident(process) - before < LEAK * MEANWHILE
        assert await pool.fetchval(LEFT) == BEFORE + MEANWHILE
        providers.resend.behave("ok")
        began = monotonic()
        await until(site.drained, within_s=150)
    calls = (BEFORE + MEANWHILE) / EmailChannel.most
    assert monotonic() - began > calls / CALLS_A_SECOND - BURST_S
    assert set(providers.shown("email").values()) == {1}
    await house.end()


async def _more(site: Site, failures: int) -> bool:
    """Whether the provider was tried again since."""
    return await site.failures() > failures
