"""Owns the conversation with Redis or Valkey (≥ 7.0): the Bus on real streams.

No command is retried silently: a cut connection would turn one append into several. An append is one
single-key script, so it works on a cluster, where the streams lie in different slots.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bus.base import BusError, Entry

APPEND: Final = """
local last = 0
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info = redis.call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then last = tonumber(string.match(info[i + 1], '^%d+')) end
  end
end
if #ARGV == 0 or last ~= tonumber(ARGV[1]) then return last end
local i = 2
while i <= #ARGV do
  local seq, n = ARGV[i], tonumber(ARGV[i + 1])
  redis.call('XADD', KEYS[1], seq .. '-0', unpack(ARGV, i + 2, i + 1 + n))
  last = tonumber(seq)
  i = i + 2 + n
end
return last
"""

COUNT: Final = """
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
if tonumber(ARGV[2]) > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. (ms + ARGV[3]))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local sum, all = 0, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local value, till = string.match(all[i + 1], '^(%d+):(%d+)')
  if tonumber(till) < ms then redis.call('HDEL', KEYS[1], all[i]) else sum = sum + value end
end
return sum
"""

TIMEOUT_S: Final = 3.0
MAX_BLOCK_MS: Final = 1000  # well under TIMEOUT_S, or a quiet stream would look like a dead server
MAX_CONNECTIONS: Final = 512


class RedisBus:
    """The Bus on one Redis or Valkey server. `prefix` keeps the hubs that share a server apart."""

    def __init__(self, url: str, *, prefix: str) -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=TIMEOUT_S,
            # The client's own time-out goes through asyncio.wait_for, which on Python 3.11 loses one
            # cancellation in seven when it meets its result; ours is around each conversation instead.
            socket_timeout=None,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._redis: aioredis.Redis = aioredis.Redis.from_pool(pool)
        self._prefix = prefix
        self._append = self._redis.register_script(APPEND)
        self._count = self._redis.register_script(COUNT)

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        args: list[bytes | int] = [last]
        for entry in entries:
            args += (entry.seq, 2 + 2 * len(entry.fields), b"prev", entry.prev)
            for name, value in entry.fields:
                args += (name, value)
        async with _conversation():
            return int(await self._append(keys=[self._key(stream)], args=args))

    async def last(self, streams: Sequence[str]) -> list[int]:
        async with _conversation():
            return [int(await self._append(keys=[self._key(stream)], args=[])) for stream in streams]

    async def read(self, stream: str, after: int, *, count: int, block_ms: int) -> list[Entry]:
        async with _conversation():
            reply: Any = await self._redis.xread(
                {self._key(stream): f"{after}-0"}, count=count, block=min(block_ms, MAX_BLOCK_MS) or None
            )
        return [_entry(*raw) for raw in reply[0][1]] if reply else []

    async def tail(self, stream: str) -> Entry | None:
        async with _conversation():
            reply: Any = await self._redis.xrevrange(self._key(stream), count=1)
        return _entry(*reply[0]) if reply else None

    async def trim(self, stream: str, upto: int) -> None:
        async with _conversation():
            await self._redis.xtrim(self._key(stream), minid=f"{upto + 1}-0", approximate=False)

    async def drop(self, streams: Iterable[str]) -> None:
        async with _conversation():
            for stream in streams:
                await self._redis.delete(self._key(stream))

    async def signal(self, payload: bytes) -> None:
        async with _conversation():
            await self._redis.publish(self._key("signals"), payload)

    @asynccontextmanager
    async def signals(self) -> AsyncIterator[AsyncIterator[bytes]]:
        async with _conversation(None), self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            async with _conversation():
                await pubsub.subscribe(self._key("signals"))
            yield _payloads(pubsub)

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        async with _conversation():
            return int(await self._count(keys=[self._key(name)], args=[member, value, int(ttl_s * 1000)]))

    async def ping(self) -> None:
        async with _conversation():
            await self._redis.ping()

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()


class _conversation:  # noqa: N801  reads as words where it is used
    """Bounds a conversation in time, and turns what the client library raises into BusError."""

    def __init__(self, timeout_s: float | None = TIMEOUT_S) -> None:
        self._timeout = asyncio.timeout(timeout_s)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            raise BusError(f"no answer within {TIMEOUT_S:.0f} s") from error
        if isinstance(error, RedisError | OSError | TimeoutError):
            raise BusError(f"{type(error).__name__}: {error}") from error


async def _payloads(pubsub: Any) -> AsyncIterator[bytes]:
    async for message in pubsub.listen():
        yield message["data"]


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    prev = int(fields.pop(b"prev", b"0"))
    return Entry(int(entry_id.split(b"-")[0]), prev, tuple(fields.items()))
