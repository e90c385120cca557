"""Owns the connections to Redis or Valkey (≥ 7.0): to one server, or to the primaries of a cluster.

Which of the two it is the server says itself. Each conversation is about one key, so that there is one server
to have it with, and is bounded in time. Nothing is retried: a cut connection would turn one command into
several. A redirection is followed, because the server that redirects has done nothing.

Members of a cluster are spoken to by the same client as a single server. The client library's own one for
clusters (redis-py 8.1) asks some member about the keys of every XREAD, sends ASKING over another connection
than the command, cuts everybody's connections when one slot is down, and stays with a server that hangs.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import redis.asyncio as aioredis
from redis.asyncio.client import PubSub
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, RedisError, ResponseError

from bus.base import BusError

TIMEOUT_S: Final = 3.0
LEAST_LOOK_S: Final = 0.5  # for a member that is asked for the map: one that hangs leaves time for others
MAX_CONNECTIONS: Final = 512  # to each server
AS_IT_COMES: Final = ("XREAD", "XREVRANGE")  # the client's own way to read their replies costs as much again
QUIET_S: Final = 5.0  # whoever only listens asks then whether the server is still there

Address = tuple[str, int]
Say = Callable[..., Awaitable[Any]]
"""Sends one command, given as its words, and answers the reply."""


def addresses(urls: str) -> list[str]:
    """Part the addresses of several members of a cluster; a lone comma may be part of a password."""
    return re.split(r",(?=rediss?://|unix://)", urls)


class RedisServers:
    """One server, or a cluster of which `urls` names one member or several, parted by commas."""

    def __init__(self, urls: str) -> None:
        named: list[Any] = [parse_url(url) for url in addresses(urls)]
        self._options: dict[str, Any] = named[0]
        self._named: list[Address] = [(url.get("host", "localhost"), url.get("port", 6379)) for url in named]
        self._clients: dict[Address, aioredis.Redis] = {}
        self._slots: dict[tuple[int, int], Address] = {}
        """Who serves which range of slots; a single server serves them all."""
        self._doubted: set[Address] = set()
        """Who failed or redirected: the map is asked for again by whoever needs them, and by nobody else."""
        self._turn = 0
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def conversation(self, key: str) -> AsyncIterator[Say]:
        """Talk with the server that holds a key; raises BusError, also when it takes too long."""
        async with self._explained(key), asyncio.timeout(TIMEOUT_S):
            yield partial(self._say, await self._holder(key))

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Listen to a channel; a cluster passes on to every member what one of them was told."""
        async with self._explained(channel):
            async with asyncio.timeout(TIMEOUT_S):
                server = self._at(await self._holder(channel))
            async with server.pubsub(ignore_subscribe_messages=True) as pubsub:
                async with asyncio.timeout(TIMEOUT_S):
                    await pubsub.subscribe(channel)
                    await pubsub.get_message(timeout=None)  # the confirmation
                yield _heard(pubsub)

    async def close(self) -> None:
        """Give back all connections."""
        await self._keep(())

    @asynccontextmanager
    async def _explained(self, key: str) -> AsyncIterator[None]:
        """Turn what the client library raises into BusError, and doubt the map where it may be the cause."""
        try:
            yield
        except TimeoutError as error:
            self._doubt(self._known(key))
            raise BusError("no answer in time") from error
        except (RedisError, OSError) as error:
            if not isinstance(error, ResponseError) or isinstance(error, ClusterDownError | MovedError):
                self._doubt(self._known(key))
            raise BusError(f"{type(error).__name__}: {error}") from error

    def _doubt(self, address: Address | None) -> None:
        if address is not None:
            self._doubted.add(address)

    async def _say(self, address: Address, *words: Any) -> Any:
        """Send a command; follow one redirection, since with two the map is wrong anyway."""
        try:
            return await self._at(address).execute_command(*words)  # type: ignore[no-untyped-call]
        except MovedError as moved:
            self._doubt(address)
            server = self._at((moved.host or address[0], moved.port))
            return await server.execute_command(*words)  # type: ignore[no-untyped-call]
        except AskError as asked:
            server = self._at((asked.host or address[0], asked.port))
            async with server.pipeline(transaction=False) as pipeline:
                pipeline.execute_command("ASKING")
                pipeline.execute_command(*words)
                return (await pipeline.execute())[1]

    async def _holder(self, key: str) -> Address:
        if self._trusted(key) is None:
            async with self._looking:
                if self._trusted(key) is None:  # else somebody else has looked meanwhile
                    await self._look()
        if address := self._known(key):
            return address
        raise BusError(f"no member of the cluster serves slot {key_slot(key.encode())}")

    def _trusted(self, key: str) -> Address | None:
        address = self._known(key)
        return None if address in self._doubted else address

    def _known(self, key: str) -> Address | None:
        slot = key_slot(key.encode())
        for (first, last), address in self._slots.items():
            if first <= slot <= last:
                return address
        return None

    async def _look(self) -> None:
        """Ask for the map: each time another member first, because one that is cut off tells old news."""
        members = list(dict.fromkeys((*self._slots.values(), *self._named)))
        self._turn += 1
        failure: Exception | None = None
        for n in range(len(members)):
            address = members[(self._turn + n) % len(members)]
            try:
                async with asyncio.timeout(max(LEAST_LOOK_S, TIMEOUT_S / len(members))):
                    slots = await self._map(address)
            except (RedisError, OSError) as error:
                failure = error
                continue
            if slots:  # else it came back from the dead and knows nobody yet
                self._slots = slots
                self._doubted.clear()
                await self._keep(slots.values())
                return
        raise failure or BusError("no member of the cluster serves anything")

    async def _map(self, address: Address) -> dict[tuple[int, int], Address]:
        try:
            found = await self._at(address).execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
        except ResponseError as error:  # so answers a server that is not part of a cluster
            if len(self._named) > 1:
                raise BusError("of several addresses each must be a member of one cluster") from error
            return {(0, 16383): self._named[0]}
        return {
            (first, last): (primary[0].decode() if primary[0] else address[0], primary[1])
            for first, last, primary, *_ in found
        }

    def _at(self, address: Address) -> aioredis.Redis:
        if address not in self._clients:
            place = {} if "path" in self._options else {"host": address[0], "port": address[1]}
            pool = aioredis.BlockingConnectionPool(
                max_connections=MAX_CONNECTIONS,
                timeout=TIMEOUT_S,
                # The client's own time-out goes through asyncio.wait_for, which on Python 3.11 loses one
                # cancellation in seven when it meets its result; ours is around each conversation instead.
                socket_timeout=None,
                socket_connect_timeout=TIMEOUT_S,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                **(self._options | place),
            )
            client = self._clients[address] = aioredis.Redis.from_pool(pool)
            for command in AS_IT_COMES:
                client.set_response_callback(command, _as_it_comes)
        return self._clients[address]

    async def _keep(self, wanted: Collection[Address]) -> None:
        """Part with every server but the wanted ones."""
        for address in self._clients.keys() - set(wanted):
            client = self._clients.pop(address)
            await client.aclose()
            await client.connection_pool.disconnect()


def _as_it_comes(response: Any, **_: Any) -> Any:
    return response


async def _heard(pubsub: PubSub) -> AsyncIterator[bytes]:
    """Yield what is told; raises TimeoutError when the line is dead, which else nobody would notice."""
    asked = False
    while True:
        try:
            async with asyncio.timeout(TIMEOUT_S if asked else QUIET_S):
                message = await pubsub.get_message(timeout=None)
        except TimeoutError:
            if asked:
                raise
            asked = True
            async with asyncio.timeout(TIMEOUT_S):
                await pubsub.ping()  # the answer comes like a message
            continue
        asked = False
        if message and message["type"] == "message":
            yield message["data"]
