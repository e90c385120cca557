"""Owns what the hub says to Redis or Valkey: the Bus on real streams.

An append is one script about one key, so it works on a cluster, where the streams lie on different servers.
It may be repeated: it does nothing when the stream has moved on.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from redis.exceptions import NoScriptError

from bus.base import PUSH, SEPARATOR, Entry, PushEntry, Target
from bus.redis_servers import RedisServers

FOREIGN: Final = -1
"""The number before an entry that is not one of ours or cannot be read: it follows nothing."""


class _Script:
    """A script with the name that servers remember it by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


APPEND: Final = _Script("""
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
""")

COUNT: Final = _Script("""
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
""")

Made = TypeVar("Made")
Make = Callable[[int, int, list[bytes]], Made]
"""Makes something of an entry's number, the number before it, and its fields."""
Raw = tuple[bytes, list[bytes]]
"""An entry as the server says it: its id, and names and values in turn."""

MAX_BLOCK_MS: Final = 1000  # well under the time-out, or a quiet stream would look like a dead server


class RedisBus:
    """The Bus on one server or a cluster. `prefix` keeps the hubs that share it apart."""

    def __init__(self, url: str, *, prefix: str) -> None:
        self._servers = RedisServers(url)
        self._prefix = prefix

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    async def append(self, stream: str, last: int, entries: Sequence[Entry]) -> int:
        args: list[bytes | int] = [last]
        for entry in entries:
            args += (entry.seq, 2 + len(entry.fields), b"prev", entry.prev, *entry.fields)
        return await self._run(APPEND, stream, *args)

    async def last(self, streams: Sequence[str]) -> list[int]:
        return [await self._run(APPEND, stream) for stream in streams]

    async def read(self, stream: str, after: int, *, count: int, block_ms: int) -> list[Entry]:
        return [_made(Entry, *raw) for raw in await self._read(stream, after, count, block_ms)]

    async def read_push(self, after: int, *, count: int, block_ms: int) -> list[PushEntry]:
        return _pushed(await self._read(PUSH, after, count, block_ms))

    async def _read(self, stream: str, after: int, count: int, block_ms: int) -> list[Raw]:
        key, wait = self._key(stream), ("BLOCK", min(block_ms, MAX_BLOCK_MS)) if block_ms else ()
        async with self._servers.conversation(key) as say:
            reply = await say("XREAD", "COUNT", count, *wait, "STREAMS", key, f"{after}-0")
        return reply[0][1] if reply else []

    async def tail(self, stream: str) -> Entry | None:
        key = self._key(stream)
        async with self._servers.conversation(key) as say:
            reply = await say("XREVRANGE", key, "+", "-", "COUNT", 1)
        return _made(Entry, *reply[0]) if reply else None

    async def trim(self, stream: str, upto: int) -> None:
        key = self._key(stream)
        async with self._servers.conversation(key) as say:
            await say("XTRIM", key, "MINID", f"{upto + 1}-0")

    async def drop(self, streams: Iterable[str]) -> None:
        for key in map(self._key, streams):
            async with self._servers.conversation(key) as say:
                await say("DEL", key)

    async def signal(self, payload: bytes) -> None:
        key = self._key("signals")
        async with self._servers.conversation(key) as say:  # always the same server, or order would be lost
            await say("PUBLISH", key, payload)

    @asynccontextmanager
    async def signals(self) -> AsyncIterator[AsyncIterator[bytes]]:
        async with self._servers.listening(self._key("signals")) as heard:
            yield heard

    async def count(self, name: str, member: str, value: int, ttl_s: float) -> int:
        return await self._run(COUNT, name, member, value, int(ttl_s * 1000))

    async def ping(self) -> None:
        async with self._servers.conversation(self._key(PUSH)) as say:
            await say("PING")

    async def close(self) -> None:
        await self._servers.close()

    async def _run(self, script: _Script, name: str, *args: bytes | str | int) -> int:
        """Run a script about one key; a server that does not know it has done nothing, and gets its text."""
        key = self._key(name)
        async with self._servers.conversation(key) as say:
            try:
                return int(await say("EVALSHA", script.sha, 1, key, *args))
            except NoScriptError:
                return int(await say("EVAL", script.text, 1, key, *args))


def _pushed(raw: Sequence[Raw]) -> list[PushEntry]:
    """Make entries as `_made` does; most, events with one packet for one room, without asking it."""
    made: list[PushEntry] = []
    seq, digits = 0, None  # of the entry before, which most name as theirs: it need not be read again
    for entry_id, fields in raw:
        match fields:
            case [b"prev", prev, b"at", at, name, packet] if name.count(SEPARATOR) == 1 and (
                prev == digits or prev.isdigit()
            ):
                before = seq if prev == digits else int(prev)
                digits = entry_id.partition(b"-")[0]
                seq = int(digits)
                made.append(PushEntry(seq, before, (Target(name, packet, ()),), (), at))
            case _:
                made.append(_made(PushEntry.of, entry_id, fields))
    return made


def _made(make: Make[Made], entry_id: bytes, fields: list[bytes]) -> Made:
    """Make an entry of a raw one: names and values in turn, `prev` before all others."""
    seq = int(entry_id.partition(b"-")[0])
    if fields[0] != b"prev":
        return make(seq, FOREIGN, [])
    try:
        return make(seq, int(fields[1]), fields[2:])
    except ValueError:
        return make(seq, FOREIGN, [])
