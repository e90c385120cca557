"""Owns the deliveries of `bench channels`: people with addresses, and a live start that each is told of."""

import asyncio
from datetime import timedelta
from typing import Final
from uuid import UUID

from bus.outbox import Outbox
from ops.bench.channels_seat import CHANNELS, Channel, address
from ops.bench.route_hall import MAKE_PEOPLE
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.events.live import LiveStarted
from schemas.store.deliveries import WAKE

WRITTEN: Final = "deliveries, delivery_attempts, email_batches, provider_state"
MAKE_ENDPOINTS: Final = """
INSERT INTO endpoints (id, user_id, channel, address, kind, state, created_at, verified_at)
SELECT gen_random_uuid(), u, $1, a, $4, 'active', now(), now() FROM unnest($2::text[], $3::text[]) AS n (u, a)
"""
WANT_SMS: Final = """
INSERT INTO preferences (user_id, document)
SELECT id, '{"channels": {"sms": {"enabled": true}}}' FROM users ON CONFLICT DO NOTHING
"""
FILL: Final = """
INSERT INTO deliveries (id, user_id, event_id, notification_id, topic, priority, channel, endpoint_id,
                        address, status, due_at, expires_at, created_at)
SELECT uuidv7(), user_id, $3, uuidv7(), 'live', 0, channel, id, address,
       'queued', $4, $5, $4
FROM endpoints WHERE channel = $1 ORDER BY user_id LIMIT $2
"""
UNDER_WAY: Final = "SELECT EXISTS (SELECT FROM deliveries WHERE status IN ('queued', 'held', 'sending'))"
LOOK_S: Final = 0.05


async def make_people(pool: Pool, count: int) -> None:
    """Make people whom all channels reach."""
    await pool.execute(MAKE_PEOPLE, count, "u")
    await pool.execute(WANT_SMS)
    users = [f"u{number:07}" for number in range(1, count + 1)]
    for channel in CHANNELS:
        if channel != "smtp":  # mails go to the same addresses, whoever takes them
            addresses = [address(channel, number) for number in range(1, count + 1)]
            kind = "token" if channel == "push" else None
            await pool.execute(MAKE_ENDPOINTS, channel, users, addresses, kind)
    await pool.execute("VACUUM ANALYZE")


def live_start() -> LiveStarted:
    """What everybody is told."""
    return LiveStarted(stream_id="bench", host="bench", title="Measured, and it takes a while")


class Queue:
    """The queue of one channel; nobody else uses the database meanwhile."""

    def __init__(self, pool: Pool, outbox: Outbox, channel: Channel) -> None:
        self._pool = pool
        self._outbox = outbox
        self._kind = "email" if channel == "smtp" else channel
        self._event: UUID | None = None

    async def begin(self) -> None:
        await self.empty()
        event = live_start()
        async with self._pool.acquire() as tx, tx.transaction():
            await self._outbox.add(tx, event)
        self._event = event.id

    async def fill(self, count: int, *, wake: bool = True) -> None:
        now = SystemClock().now()
        await self._pool.execute(FILL, self._kind, count, self._event, now, now + timedelta(minutes=30))
        await self._pool.execute("ANALYZE deliveries")
        if wake:
            await self.wake()

    async def wake(self) -> None:
        await self._pool.execute("SELECT pg_notify($1, '')", WAKE)

    async def sent(self) -> None:
        """Wake the dispatcher, and wait until nothing is under way any more."""
        await self.wake()
        while await self._pool.fetchval(UNDER_WAY):  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(LOOK_S)

    async def count(self) -> int:
        return int(await self._pool.fetchval("SELECT count(*) FROM deliveries WHERE status = 'sent'"))

    async def empty(self) -> None:
        await self._pool.execute(f"TRUNCATE {WRITTEN}")
