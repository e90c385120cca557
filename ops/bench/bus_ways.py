"""Owns the ways of events through a stream that are measured: the hub's own, and bare redis-py."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis

from bus.appender import Appender
from bus.base import PUSH, Entry, PushEntry, Target
from bus.outbox import Outbox
from bus.partitions import agree
from bus.push_log import PushTail
from bus.redis_streams import RedisBus
from bus.relay import Relay, RelayConfig
from bus.tasks import cancel, spawn
from ops.bench.results import Figures, Throughput
from ops.bench.services import Services
from schemas.db import Pool, create_pool
from schemas.events.content import ContentCreated

WRITTEN: Final = 100
"""Entries of one append."""
READ: Final = 500
"""Entries of one read, at most."""
_WINDOW_S: Final = 120


async def hub_ways(around: Services, events: int) -> tuple[Figures, ...]:
    """Append and read as the hub does, and the whole way from the outbox to a gateway."""
    alone = RedisBus(around.redis_url, prefix="bench-bus")
    try:
        await alone.drop([PUSH])
        append = await _timed("append", events, _append(alone, entries(events)))
        read = await _timed("read", events, _read(alone, events))
    finally:
        await alone.close()
    async with _whole_way(around, events) as way:
        return append, read, await _timed("through", events, way)


async def _append(bus: RedisBus, given: Sequence[Entry]) -> int:
    last = 0
    for chunk in _chunks(given):
        last = await bus.append(PUSH, last, chunk)
    return last


async def _read(bus: RedisBus, events: int) -> int:
    """As a gateway reads: what comes out can be delivered."""
    seen = 0
    while seen < events and (found := await bus.read_push(seen, count=READ, block_ms=0)):
        seen = found[-1].seq
    return seen


@asynccontextmanager
async def _whole_way(around: Services, events: int) -> AsyncIterator[Awaitable[int]]:
    """Fill the outbox, and yield what takes it through relay, appender and tail."""
    pool = await create_pool(around.database_url)
    try:
        async with pool.acquire() as tx, tx.transaction():
            instance = await agree(tx, None)
        await _fill(pool, events)
        bus = RedisBus(around.redis_url, prefix=instance.prefix)
        appender = Appender(bus, pool, partitions=instance.partitions, groups=["bench"], window_s=_WINDOW_S)
        relay = Relay(around.database_url, appender, RelayConfig(partitions=instance.partitions))
        try:
            yield _follow(relay, PushTail(bus, pool), events)
        finally:
            await bus.close()
    finally:
        await pool.close()


async def _fill(pool: Pool, events: int) -> None:
    outbox = Outbox(pool)
    for start in range(0, events, READ):
        batch = (
            ContentCreated(
                content_id=f"bench-{number}", author="bench", actor="bench", kind="post", title="bench"
            )
            for number in range(start, min(events, start + READ))
        )
        async with pool.acquire() as tx, tx.transaction():
            await outbox.add(tx, *batch)


async def _follow(relay: Relay, tail: PushTail, events: int) -> int:
    seen, everything = 0, asyncio.Event()

    def deliver(given: Sequence[PushEntry]) -> None:
        nonlocal seen
        seen += len(given)
        if seen >= events:
            everything.set()

    begun = asyncio.Event()
    following = spawn(tail.run(deliver, lambda _: begun.set()), name="bench tail")
    await begun.wait()
    leading = spawn(relay.run(), name="bench relay")
    try:
        await everything.wait()
    finally:
        await cancel(leading, following)
    return seen


async def bare_ways(around: Services, events: int) -> tuple[Figures, ...]:
    """Pipelines of XADD and plain XREAD: as fast as the client library goes, and nothing is promised."""
    stream = "bench-bare:push"
    async with Redis.from_url(around.redis_url, protocol=2) as client:
        await client.delete(stream)
        given = entries(events)
        append = await _timed("append", events, _xadd(client, stream, given))
        read = await _timed("read", events, _xread(client, stream, events))
        await client.delete(stream)
        through = await _timed("through", events, _xadd_and_xread(client, stream, given))
    return append, read, through


async def _xadd(client: Redis, stream: str, given: Sequence[Entry]) -> int:
    added = 0
    for chunk in _chunks(given):
        async with client.pipeline(transaction=False) as pipe:
            for entry in chunk:
                names, values = entry.fields[::2], entry.fields[1::2]
                fields: dict[Any, Any] = {b"prev": entry.prev, **dict(zip(names, values, strict=True))}
                pipe.xadd(stream, fields, id=f"{entry.seq}-0")
            added += len(await pipe.execute())
    return added


async def _xread(client: Redis, stream: str, events: int) -> int:
    seen, last = 0, b"0-0"
    while seen < events:
        reply: Any = await client.xread({stream: last}, count=READ, block=1_000)
        if reply:
            seen += len(reply[0][1])
            last = reply[0][1][-1][0]
    return seen


async def _xadd_and_xread(client: Redis, stream: str, given: Sequence[Entry]) -> int:
    _, seen = await asyncio.gather(_xadd(client, stream, given), _xread(client, stream, len(given)))
    return int(seen)


def entries(count: int) -> list[Entry]:
    """What the relay makes of an event of 300 bytes."""
    packet = b'["content.created",{"id":"01990000-0000-7000-8000-000000000001","data":"%b"}]' % (b"x" * 220)
    target = Target.of("/feed", ("feed",), packet)
    return [
        Entry(seq, seq - 1, [b"at", b"1800000000000", target.name, target.packet])
        for seq in range(1, count + 1)
    ]


def _chunks(given: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    return (given[start : start + WRITTEN] for start in range(0, len(given), WRITTEN))


async def _timed(name: str, expected: int, work: Awaitable[int]) -> Throughput:
    began, cpu = time.monotonic(), time.process_time()
    events = await work
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    return Throughput(
        name=name,
        expected=expected,
        events=events,
        events_per_second=events / seconds,
        cpu_us_per_event=cpu * 1e6 / max(events, 1),
    )
