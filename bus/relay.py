"""Owns the numbering of facts: one leader moves the outbox into the relay's log, gapless, in commit order.

Numbers drawn by writers become visible out of order, so no cursor over them is safe. The leader holds a
session lock of PostgreSQL on the very connection that it works with: whoever lost the lock lost the
connection, and can number nothing. A leader that is paused is thrown out by the session's time-outs.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bus import telemetry
from bus.appender import Appender
from bus.base import PUSH, Entry, events_stream
from bus.outbox import CHANNEL
from bus.render import event_entry, partition_of, push_fields
from bus.tasks import cancel, forever, spawn
from schemas.db import PAUSED_S, RETRYABLE, Session, connect
from schemas.store.events import COLUMNS

log = structlog.get_logger(__name__)

LOCK: Final = 4_829_332
COMMAND_S: Final = 10.0
RELAYED: Final = "relayed"

# The time-outs throw out a leader that is paused, the last one in the middle of a large answer. The plan is
# made anew for each batch, along the indexes: one made while the tables were empty would read them whole ever
# after.
SESSION: Final = f"""
SET idle_session_timeout = '{PAUSED_S}s'; SET idle_in_transaction_session_timeout = '{PAUSED_S}s';
SET tcp_user_timeout = '{PAUSED_S}s';
SET plan_cache_mode = force_custom_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
"""

TAKE: Final = f"""
WITH taken AS (
    DELETE FROM outbox WHERE n IN (SELECT n FROM outbox ORDER BY n LIMIT $1) RETURNING *
)
SELECT t.n, t.control, t.target, t.packet, clock_timestamp() AS now, {COLUMNS}
FROM taken t LEFT JOIN events e ON e.id = t.event_id AND e.accepted_at = t.accepted_at ORDER BY t.n
"""

NUMBER: Final = f"""
WITH numbered AS (
INSERT INTO relay_log
       (seq, partition, prev, push_prev, event_id, accepted_at, control, target, packet, type, subject,
        relayed_at)
SELECT u.seq, u.partition, u.prev, u.push_prev, u.event_id, u.accepted_at,
       string_to_array(u.control, chr(1)), string_to_array(u.target, chr(1)), u.packet, u.type, u.subject, $12
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::uuid[], $6::timestamptz[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
     AS u (seq, partition, prev, push_prev, event_id, accepted_at, control, target, packet, type, subject)
), moved AS (
UPDATE relay_heads h SET seq = u.seq FROM unnest($13::text[], $14::bigint[]) AS u (stream, seq)
WHERE h.stream = u.stream AND h.seq <> u.seq
)
SELECT pg_notify('{RELAYED}', '')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """How the relay works: entries at a time, and seconds between looks at what nobody told it of."""

    partitions: int
    batch: int = 500
    poll_s: float = 0.25
    standby_s: float = 0.5


@dataclass(slots=True)
class Heads:
    """The last number of every stream, and the last instant; what the next batch builds on."""

    seqs: dict[str, int]
    relayed_at: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    def next(self, stream: str, seq: int) -> int:
        before, self.seqs[stream] = self.seqs.get(stream, 0), seq
        return before


@dataclass(frozen=True, slots=True)
class Numbered:
    """A row of the outbox with its number, its place in its streams, and its entries."""

    row: Mapping[str, Any]
    seq: int
    partition: int | None
    prev: int | None
    push_prev: int | None
    event: Entry | None
    push: Entry | None


class Relay:
    """One candidate for the lead; start as many as you like, on any machine."""

    def __init__(self, dsn: str, appender: Appender, config: RelayConfig) -> None:
        self._dsn = dsn
        self._appender = appender
        self._config = config
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Stand by, lead, and stand by again for ever; run it as a background task."""
        await forever(self._stand_and_lead, name="relay", pause_s=self._config.standby_s)

    async def _stand_and_lead(self) -> None:
        connection = await connect(self._dsn, command_timeout_s=COMMAND_S)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):  # noqa: ASYNC110
                # Waiting inside PostgreSQL could not be told from a dead server.
                await asyncio.sleep(self._config.standby_s)
            await connection.execute(SESSION)
            await connection.add_listener(CHANNEL, lambda *_: self._woken.set())
            connection.add_termination_listener(lambda *_: self._woken.set())
            log.info("the relay leads")
            telemetry.RELAY_LEADS.set(1)
            appending = spawn(self._appender.run(), name="appender")
            try:
                await self._lead(connection)
            finally:
                await cancel(appending)
        finally:
            telemetry.RELAY_LEADS.set(0)
            with contextlib.suppress(*RETRYABLE):
                await connection.close(timeout=1)

    async def _lead(self, connection: Session) -> None:
        heads = await _load_heads(connection)
        while True:
            self._woken.clear()
            moved = await self._step(connection, heads)
            if moved < self._config.batch:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._config.poll_s):
                        await self._woken.wait()

    async def _step(self, connection: Session, heads: Heads) -> int:
        """Number one batch, commit, and only then tell the streams."""
        async with connection.transaction():
            rows = [dict(row) for row in await connection.fetch(TAKE, self._config.batch)]
            if not rows:
                return 0
            heads.relayed_at = max(rows[0]["now"], heads.relayed_at)
            numbered = [number(row, heads, self._config.partitions) for row in rows]
            moved = (list(heads.seqs), list(heads.seqs.values()))
            await connection.execute(NUMBER, *_columns(numbered), heads.relayed_at, *moved)
        telemetry.RELAYED.inc(len(rows))
        self._appender.add(_by_stream(numbered))
        return len(rows)


async def _load_heads(connection: Session) -> Heads:
    heads = Heads({row["stream"]: row["seq"] for row in await connection.fetch("SELECT * FROM relay_heads")})
    last = await connection.fetchval("SELECT relayed_at FROM relay_log WHERE seq = $1", heads.seqs["log"])
    if last is not None:
        heads.relayed_at = last
    return heads


def number(row: Mapping[str, Any], heads: Heads, partitions: int) -> Numbered:
    """Give a row of the outbox its number and chain it to the entries before it in its streams."""
    seq = heads.seqs["log"] + 1
    heads.seqs["log"] = seq
    partition = prev = push_prev = event = push = None
    if row["id"] is not None:
        partition = partition_of(row["subject"], partitions)
        prev = heads.next(events_stream(partition), seq)
        event = event_entry({**row, "seq": seq, "prev": prev})
    if fields := push_fields(row):
        push_prev = heads.next(PUSH, seq)
        push = Entry(seq, push_prev, fields)
    return Numbered(row, seq, partition, prev, push_prev, event, push)


def _columns(numbered: Sequence[Numbered]) -> list[list[Any]]:
    return [
        [one.seq for one in numbered],
        [one.partition for one in numbered],
        [one.prev for one in numbered],
        [one.push_prev for one in numbered],
        [one.row["id"] for one in numbered],
        [one.row["accepted_at"] for one in numbered],
        # chr(1) parts words and rooms on the way into an array column
        ["\x01".join(one.row["control"]) if one.row["control"] else None for one in numbered],
        ["\x01".join(one.row["target"]) if one.row["target"] else None for one in numbered],
        [one.row["packet"] for one in numbered],
        [one.row["type"] for one in numbered],
        [one.row["subject"] for one in numbered],
    ]


def _by_stream(numbered: Sequence[Numbered]) -> dict[str, list[Entry]]:
    streams: dict[str, list[Entry]] = {}
    for one in numbered:
        if one.event is not None and one.partition is not None:
            streams.setdefault(events_stream(one.partition), []).append(one.event)
        if one.push is not None:
            streams.setdefault(PUSH, []).append(one.push)
    return streams
