"""Two gateways and a worker, each its own process, on a Valkey Cluster, with stock clients at the doors."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bus.base import PUSH, BusError
from bus.log import RelayLog
from bus.partitions import agree
from bus.redis_streams import RedisBus
from ops.chaos.line import Line
from ops.chaos.publisher import Publisher, mixing
from schemas.db import Pool
from tests.hubprocess import HubProcess
from tests.jsclient import Happening, JsClient, JsSocket
from tests.valkeycluster import ValkeyCluster
from tests.waiting import until

SECRET = "a-secret-of-tests-with-more-than-32-bytes"
PARTITIONS = 4
RATE = 100.0
WITHIN_S = 60
USERS = ["ann", "bob", "cat"]
CONTENT = ("c0", "c1", "c2", "c3")
SUBSCRIBED = frozenset({"feed", "zone:z0", *(f"content:{one}" for one in CONTENT)})


@dataclass
class Client:
    """A stock client in one namespace; it enters its rooms before anything is published."""

    socket: JsSocket
    namespace: str
    rooms: frozenset[str]

    def ids(self) -> list[str]:
        """Of the events published; what the hub says of inboxes has its own tests."""
        return [args[0]["id"] for name, args in self.socket.events if not name.startswith("notification")]

    def connects(self) -> list[Happening]:
        mine = (one for one in self.socket.client.happened if one["id"] == self.socket.id)
        return [one for one in mine if one["on"] == "connect"]

    def concerned(self, rooms: Mapping[str, Sequence[str]]) -> bool:
        return not self.rooms.isdisjoint(rooms.get(self.namespace, ()))

    def recovered(self) -> bool:
        """It came back once, as the same session."""
        first, *later = self.connects()
        return [(one["recovered"], one["sid"]) for one in later] == [(True, first["sid"])]


@dataclass
class Gateway:
    """A `hub serve`, and the line that its clients come in by."""

    process: HubProcess
    line: Line
    clients: list[Client] = field(default_factory=list)

    async def sign_in(self, js: JsClient, user: str, transport: str) -> None:
        for namespace in ("/feed", "/notifications"):
            socket = await js.connect(
                self.line.url,
                namespace,
                self.process.token(user),
                manager=user,
                recovery=True,
                transports=[transport],
            )
            rooms = frozenset({"everyone", f"user:{user}"}) if namespace == "/notifications" else SUBSCRIBED
            self.clients.append(Client(socket, namespace, rooms))
        answer = await self.clients[-2].socket.emit("subscribe", {"zones": ["z0"], "content": CONTENT})
        assert set(answer["rooms"]) == SUBSCRIBED

    async def fall_to(self, other: "Gateway") -> None:
        """End it with kill -9, and send its clients to the other one."""
        self.line.lead_to(other.process.url)
        await asyncio.to_thread(self.process.kill)


@dataclass
class House:
    """All of it, and what was published."""

    pool: Pool
    bus: RedisBus
    push_key: str
    east: Gateway
    west: Gateway
    publisher: Publisher

    @property
    def clients(self) -> list[Client]:
        return [*self.east.clients, *self.west.clients]

    async def all_hear(self, more: int = 20) -> None:
        """Wait until every client has heard so many more events."""
        wanted = [len(client.ids()) + more for client in self.clients]
        await self.have_heard(wanted)

    async def have_heard(self, wanted: Iterable[int]) -> None:
        counts = list(wanted)

        async def heard() -> bool:
            self.publisher.ensure_well()
            return all(len(one.ids()) >= count for one, count in zip(self.clients, counts, strict=True))

        await until(heard, within_s=WITHIN_S)

    async def can_be_recovered(self) -> None:
        """Wait until both gateways and the rooms of every session are written down for others."""

        async def stored() -> bool:
            known = (
                "SELECT (SELECT count(*) FROM gateways) = 2 AND count(*) = $1 FROM socket_sessions"
                " WHERE namespace <> '/feed' OR rooms::text LIKE '%content:c3%'"
            )
            return bool(await self.pool.fetchval(known, len(self.clients)))

        await until(stored, within_s=WITHIN_S)

    async def stream_is_whole(self) -> None:
        """Wait until the cluster has all of the push stream again."""

        async def whole() -> bool:
            try:
                return await self.bus.last([PUSH]) == [await RelayLog(self.pool).head(PUSH)]
            except BusError:
                return False

        await until(whole, within_s=WITHIN_S)

    async def assert_each_heard_the_log(self) -> None:
        """Publish no more: each client has what the log has for its rooms, in this order, once."""
        await self.publisher.finish(WITHIN_S)

        async def relayed() -> bool:
            return not await self.pool.fetchval("SELECT count(*) FROM outbox")

        await until(relayed, within_s=WITHIN_S)
        query = "SELECT event_id::text FROM relay_log WHERE event_id IS NOT NULL ORDER BY seq"
        log = [row["event_id"] for row in await self.pool.fetch(query)]
        rooms = {sent.id: sent.rooms for sent in self.publisher.sent}
        assert (sorted(log), self.publisher.faults) == (sorted(rooms), [])
        wanted = [[one for one in log if client.concerned(rooms[one])] for client in self.clients]
        with suppress(TimeoutError):  # the comparison says what is missing
            await self.have_heard(map(len, wanted))
        assert [client.ids() for client in self.clients] == wanted


@asynccontextmanager
async def house(
    folder: Path, cluster: ValkeyCluster, dsn: str, pool: Pool, js: JsClient
) -> AsyncIterator[House]:
    """Run all of it, with clients that are signed in, and publish steadily at both doors."""
    async with pool.acquire() as tx, tx.transaction():
        prefix = (await agree(tx, PARTITIONS)).prefix
    environment = {
        "HUB_DATABASE_URL": dsn,
        "HUB_DATABASE_POOL": "6",
        "HUB_REDIS_URL": cluster.urls,
        "HUB_AUTH__SECRET": SECRET,
    }
    east, west, worker = (HubProcess(folder / name, **environment) for name in ("east", "west", "worker"))
    async with AsyncExitStack() as stack:
        for process in (worker, west, east):
            stack.callback(process.stop)
        worker.begin("work")
        await asyncio.gather(*(asyncio.to_thread(one.run, "serve", "--port", "0") for one in (east, west)))
        doors = [Gateway(process, await _line(stack, process.url)) for process in (east, west)]
        for door, user, transport in zip(
            (0, 0, 1), USERS, ("websocket", "polling", "websocket"), strict=True
        ):
            await doors[door].sign_in(js, user, transport)
        urls = [process.url for process in (west, east)]
        publisher = Publisher(urls, east.token("platform", "publish"), mixing(1, USERS))
        bus = RedisBus(cluster.urls, prefix=prefix)
        stack.push_async_callback(bus.close)
        publisher.start(RATE)
        stack.push_async_callback(publisher.stop)
        yield House(pool, bus, f"{prefix}:{PUSH}", doors[0], doors[1], publisher)


async def _line(stack: AsyncExitStack, url: str) -> Line:
    line = await Line().start(url)
    stack.push_async_callback(line.stop)
    return line
