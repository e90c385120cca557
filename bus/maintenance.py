"""Owns what must happen now and then: months ahead, retention, and the gauges that operators watch."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from bus import commits
from bus.tasks import forever
from schemas import months
from schemas.clock import Clock
from schemas.db import Connection, Pool

log = structlog.get_logger(__name__)

HOUR_S: Final = 3600.0
AGAIN_S: Final = 60.0  # after a sweep that failed
AT_A_TIME: Final = 10_000
LOCK: Final = 4_829_334

# The oldest event that somebody still has to number or to handle. The order of numbers is nearly that of
# acceptance; an hour is far more than a transaction can take.
NEEDED: Final = """
SELECT least(
    (SELECT min(accepted_at) FROM outbox),
    (SELECT min(r.accepted_at) FROM consumer_positions p CROSS JOIN LATERAL (
        SELECT accepted_at FROM relay_log
        WHERE partition = p.partition AND seq > p.seq ORDER BY seq LIMIT 1) r) - interval '1 hour',
    (SELECT min(r.accepted_at) FROM parked k JOIN relay_log r ON r.seq = k.seq WHERE k.state = 'parked')
)
"""
# Gateways were told long ago; what is left would only keep what it says of a person. Two statements, so that
# each reads its own partial index.
FORGET_WORDS: Final = tuple(
    f"""
    UPDATE relay_log SET control = NULL, target = NULL, packet = NULL WHERE seq = ANY(ARRAY(
        SELECT seq FROM relay_log WHERE {column} IS NOT NULL AND relayed_at < now() - $1::interval
        ORDER BY relayed_at LIMIT 1000))
    """
    for column in ("control", "packet")
)
WORDS_KEPT: Final = timedelta(days=1)
FINISHED: Final = """
SELECT id FROM deliveries WHERE created_at < $1 AND status NOT IN ('queued', 'held', 'sending')
"""
# Bodies of mails that were sent, and ids of webhooks that no provider repeats any more.
FORGET_MAILS: Final = (
    "DELETE FROM email_batches WHERE state <> 'open' AND created_at < now() - interval '2 days'"
)
FORGET_WEBHOOKS: Final = "DELETE FROM webhook_ids WHERE at < now() - interval '14 days'"
# Codes and links that nobody can use any more; what counts against limits is a day old at most.
FORGET_PROOFS: Final = (
    "DELETE FROM verifications WHERE expires_at < now() - interval '1 day'",
    "DELETE FROM telegram_links WHERE expires_at < now() - interval '1 day'",
)
# Telegram repeats itself for a day at most; what could not be handled is there to be looked at for longer.
FORGET_UPDATES: Final = """
DELETE FROM telegram_updates WHERE received_at < now() - CASE state
    WHEN 'done' THEN interval '3 days' WHEN 'dead' THEN interval '30 days' END
"""


class Maintenance:
    """Runs beside the relay; any number of processes may run it, each step may be repeated."""

    def __init__(
        self, pool: Pool, clock: Clock, retention: timedelta | None, *, window: timedelta = timedelta()
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._retention = retention
        # A gateway that starts reads the window from the log: words must be kept as long.
        self._words_kept = max(WORDS_KEPT, 2 * window)
        self._next_sweep = 0.0
        self._merged: datetime | None = None

    async def keep(self) -> None:
        """Make months and apply retention, every hour for ever; within a minute after a failure."""
        await forever(self._sweep_when_due, name="maintenance", pause_s=AGAIN_S)

    async def _sweep_when_due(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._next_sweep:
            await self.sweep()
            self._next_sweep = now + HOUR_S

    async def sweep(self) -> None:
        """Do the hourly work once, unless another process is at it."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return
            try:
                await self._sweep(connection)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", LOCK)

    async def _sweep(self, connection: Connection) -> None:
        await months.make(connection)
        await connection.execute(
            "DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'"
        )
        await connection.execute("DELETE FROM workers WHERE seen_at < now() - interval '1 day'")
        for statement in FORGET_WORDS:
            while await connection.execute(statement, self._words_kept) != "UPDATE 0":
                pass
        await connection.execute(FORGET_MAILS)
        for statement in (FORGET_WEBHOOKS, *FORGET_PROOFS, FORGET_UPDATES):
            await connection.execute(statement)
        self._merged = await commits.merge(connection, self._merged)
        if self._retention is not None:
            await _retain(connection, await _oldest(connection, self._clock.now() - self._retention))


async def _oldest(connection: Connection, wanted: datetime) -> datetime:
    """Answer the start of the first month to keep: what still has to be handled is never dropped."""
    needed = await connection.fetchval(NEEDED)
    if needed is not None and needed < wanted:
        log.warning("retention waits for events that are not handled yet", oldest=needed.isoformat())
        wanted = needed
    return wanted.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


async def _retain(connection: Connection, oldest: datetime) -> None:
    if dropped := await months.drop(connection, oldest.date()):
        log.info("retention dropped a part of the log", tables=dropped)
    await _forget(connection, "event_ids", "id", "accepted_at < $1", oldest)
    await _forget(connection, "relay_log", "seq", "relayed_at < $1", oldest)
    await _forget(connection, "consumer_commits", "ctid", "at < $1", oldest)
    await _forget(connection, "parked", "ctid", "state = 'handled' AND updated_at < $1", oldest)
    await _forget(connection, "walks", "ctid", "state = 'done' AND updated_at < $1", oldest)
    await _forget(connection, "decisions", "ctid", "at < $1", oldest)
    await _forget(connection, "digests", "id", "state = 'closed' AND closed_at < $1", oldest)
    await _forget(connection, "delivery_attempts", "ctid", f"delivery_id IN ({FINISHED})", oldest)
    await _forget(connection, "deliveries", "ctid", f"id IN ({FINISHED})", oldest)


async def _forget(connection: Connection, table: str, key: str, old: str, oldest: datetime) -> None:
    """Delete in small steps, so that nobody waits for a long transaction."""
    while True:
        done = await connection.execute(
            f"DELETE FROM {table} WHERE {key} = ANY(ARRAY("
            f"SELECT {key} FROM {table} WHERE {old} LIMIT {AT_A_TIME}))",
            oldest,
        )
        if done == "DELETE 0":
            return
