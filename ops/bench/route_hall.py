"""Owns a database with people in audiences, and the hub's parts that tell them of an event."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from bus.appender import Appender
from bus.outbox import Outbox
from bus.partitions import Instance, agree
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from ops.bench.errors import BenchError
from ops.bench.route_meter import Cost, cost_of
from routing import audiences, router
from routing.members import ChannelKind
from routing.people import People
from routing.router import Router
from routing.telling import Teller
from routing.walker import Walker
from schemas.clock import SystemClock
from schemas.db import Pool, create_pool
from schemas.events.base import Event
from schemas.events.content import ContentCreated
from schemas.events.live import LiveStarted

GROUPS: Final = (audiences.GROUP, router.GROUP, "stats")
CHANNELS: Final[tuple[ChannelKind, ...]] = ("email",)
WRITTEN: Final = ("notifications", "decisions", "deliveries", "outbox", "walks")
"""What a walk writes to."""
MAILED: Final = "mailed"
"""Whose followers have e-mails."""
CHUNK: Final = 100_000
_PATIENCE_S: Final = 600
_PAUSE_S: Final = 0.01
_WINDOW_S: Final = 120

PERSON: Final = "lpad({n}::text, 7, '0')"
MAKE_PEOPLE: Final = "INSERT INTO users (id) SELECT $2 || {id} FROM generate_series(1, $1::int) n".format(
    id=PERSON.format(n="n")
)
MAKE_MAILS: Final = """
INSERT INTO endpoints (id, user_id, channel, address, state, created_at, verified_at)
SELECT gen_random_uuid(), id, 'email', id || '@example.com', 'active', now(), now() FROM users
WHERE id LIKE $1
"""
FOLLOW: Final = """
INSERT INTO audience_members (kind, target, member)
SELECT 'followers', $1, id FROM users WHERE id LIKE $2 ORDER BY id LIMIT $3
"""
# As events would have left them over time: each tells of many people, one after the other, of all in turn.
STORE_NOTIFICATIONS: Final = """
INSERT INTO notifications (user_id, id, topic, priority, title, text, url, actors, event_ids, state, badge,
                           created_at, updated_at)
SELECT 'u' || {id}, md5((n / 1000)::text)::uuid, 'follows', 'standard', 'bench published a post', 'Measured',
       NULL, ARRAY['bench'], ARRAY[{event}], 'unread', true, {at}, {at}
FROM generate_series($1::int, $2::int - 1) n
"""
STORE_DECISIONS: Final = """
INSERT INTO decisions (event_id, user_id, notification_id, topic, actor, decided, at, gathers)
SELECT {event}, 'u' || {id}, md5((n / 1000)::text)::uuid, 'follows', 'bench',
       '[{{"channel": "in_app", "endpoint": null, "action": "send", "reason": "wanted", "until": null,
           "at": "2026-01-01T00:00:00.000Z"}}]', {at}, false
FROM generate_series($1::int, $2::int - 1) n
"""
_PLACES: Final = {
    "id": PERSON.format(n="(n % $3::int + 1)"),
    "event": "('01900000-0000-7000-8000-' || lpad(to_hex(n / 1000), 12, '0'))::uuid",
    "at": "timestamptz '2026-01-01' + n * interval '1 ms'",
}
CAUGHT_UP: Final = """
INSERT INTO consumer_positions (grp, partition, seq)
SELECT g, p, coalesce((SELECT max(r.seq) FROM relay_log r WHERE r.partition = p), 0)
FROM unnest($1::text[]) AS g CROSS JOIN generate_series(0, $2::int - 1) AS p
ON CONFLICT (grp, partition) DO UPDATE SET seq = excluded.seq
"""


class Hall:
    """Whoever is told lives here; nothing else runs on the database while this is used."""

    def __init__(self, dsn: str, pool: Pool, bus: RedisBus, instance: Instance) -> None:
        self.dsn, self.pool = dsn, pool
        self.bus, self.instance = bus, instance
        outbox, people, clock = Outbox(pool), People(), SystemClock()
        self._outbox = outbox
        teller = Teller(outbox, people, CHANNELS)
        self._router = Router(teller, people, clock)
        self._walker = Walker(pool, outbox, teller, people, clock, name="bench")

    async def settle(
        self, people: Mapping[str, bool], each: int, audience: Mapping[str, tuple[str, int]]
    ) -> None:
        """Make people by the first letter of their names, with an e-mail or without, and who follows whom."""
        for letter, has_mail in people.items():
            await self.pool.execute(MAKE_PEOPLE, each, letter)
            if has_mail:
                await self.pool.execute(MAKE_MAILS, f"{letter}%")
        for author, (letter, count) in audience.items():
            await self.pool.execute(FOLLOW, author, f"{letter}%", count)
        await self.tidy()

    async def tidy(self) -> None:
        """Leave nothing for later that would be done beside a measurement."""
        await self.pool.execute("VACUUM ANALYZE")
        await self.pool.execute("CHECKPOINT")

    async def empty(self) -> None:
        """Forget what was told, and that there is anything to do."""
        await self.pool.execute(f"TRUNCATE {', '.join(WRITTEN)}")
        await self.pool.execute(CAUGHT_UP, GROUPS, self.instance.partitions)

    async def store(self, count: int, people: int) -> None:
        """Add notifications of long ago, as many for each."""
        for start in range(0, count, CHUNK):
            for statement in (STORE_NOTIFICATIONS, STORE_DECISIONS):
                last = min(count, start + CHUNK)
                await self.pool.execute(statement.format(**_PLACES), start, last, people)
        await self.tidy()

    async def tell(self, author: str) -> tuple[Cost, int]:
        """Tell an author's followers, who get mails of a live start and none of a post.

        Answers what the walk cost, and how many were told, or mails queued.
        """
        mails = author == MAILED
        event: Event = (
            LiveStarted(stream_id="bench", host=author, title="Measured")
            if mails
            else ContentCreated(content_id="bench", author=author, kind="post", title="Measured")
        )
        await self._number(event)
        async with self.pool.acquire() as tx, tx.transaction():
            await self._router.handle(tx, [event])
        cost = await cost_of(self._walk(event), self.pool)
        table = "deliveries" if mails else "decisions"
        told = await self.pool.fetchval(f"SELECT count(*) FROM {table} WHERE event_id = $1", event.id)
        return cost, int(told)

    async def _number(self, event: Event) -> None:
        """Publish it, and let a relay give it its number."""
        partitions = self.instance.partitions
        async with self.pool.acquire() as tx, tx.transaction():
            await self._outbox.add(tx, event)
        appender = Appender(self.bus, self.pool, partitions=partitions, groups=[], window_s=_WINDOW_S)
        relay = spawn(Relay(self.dsn, appender, RelayConfig(partitions=partitions)).run(), name="bench relay")
        try:
            await self._until("SELECT EXISTS (SELECT FROM relay_log WHERE event_id = $1)", event)
        finally:
            await cancel(relay)
        await self.pool.execute(CAUGHT_UP, GROUPS, partitions)

    async def _walk(self, event: Event) -> None:
        done = "SELECT NOT EXISTS (SELECT FROM walks WHERE event_id = $1 AND state = 'open')"
        while not await self.pool.fetchval(done, event.id):
            await self._walker.step()

    async def _until(self, question: str, event: Event) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not await self.pool.fetchval(question, event.id):
            if time.monotonic() > deadline:
                raise BenchError(f"the event was not numbered within {_PATIENCE_S} s")
            await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def hall(dsn: str, redis_url: str) -> AsyncIterator[Hall]:
    """Open a migrated database."""
    pool = await create_pool(dsn, statement_timeout_s=0)
    try:
        async with pool.acquire() as tx, tx.transaction():
            instance = await agree(tx, None)
        bus = RedisBus(redis_url, prefix=instance.prefix)
        try:
            yield Hall(dsn, pool, bus, instance)
        finally:
            await bus.close()
    finally:
        await pool.close()
