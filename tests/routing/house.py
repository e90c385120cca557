"""Relay, groups and walker of one process, moved step by step: real parts on a real PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from bus.appender import Appender
from bus.base import PushEntry
from bus.consumer import Consumer, PartitionWork
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.outbox import Outbox
from bus.partitions import agree
from bus.positions import Lease, Positions
from bus.relay import Heads, Relay, RelayConfig
from bus.retry import Retry
from routing import audiences, router
from routing.inbox import Inbox
from routing.members import ChannelKind
from routing.people import People
from routing.router import Router
from routing.telling import Teller
from routing.walker import Walker
from schemas.db import Pool, Session, connect
from schemas.events.base import Event

PARTITIONS = 2
AT_ONCE = Retry(attempts=3, first=timedelta(0))


class FakeClock:
    """The time as a test sets it."""

    def __init__(self, now: datetime | None = None) -> None:
        self.moment = now or datetime(2026, 3, 2, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def goes_on(self, **by: float) -> None:
        self.moment += timedelta(**by)


class House:
    """What a worker does, each step when a test says so."""

    def __init__(
        self, dsn: str, pool: Pool, channels: Collection[ChannelKind] = (), chunk: int = 1000
    ) -> None:
        self.dsn, self.pool, self.clock = dsn, pool, FakeClock()
        self.outbox, self.people = Outbox(pool), People(self.clock)
        self.teller = Teller(self.outbox, self.people, channels)
        self.inbox = Inbox(pool, self.outbox, self.clock)
        self.walker = self.another_walker("w1", chunk=chunk)
        self.router = Router(self.teller, self.people, self.clock)
        self._leases: dict[tuple[str, int], Lease] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._heads = Heads({"log": 0, "push": 0})
        self._pushed = 0

    def another_walker(self, name: str, **options: Any) -> Walker:
        return Walker(
            self.pool, self.outbox, self.teller, self.people, self.clock, name=name, retry=AT_ONCE, **options
        )

    async def begin(self) -> "House":
        async with self.pool.acquire() as tx, tx.transaction():
            await agree(tx, PARTITIONS)
        self._session: Session = await connect(self.dsn)
        appender = Appender(MemoryBus(), self.pool, partitions=PARTITIONS, groups=[], window_s=1)
        self._relay = Relay(self.dsn, appender, RelayConfig(partitions=PARTITIONS))
        for group in (audiences.GROUP, router.GROUP):
            positions = Positions(group, "w1", 600)
            await positions.prepare(self.pool, PARTITIONS)
            for lease in await positions.claim(self.pool, PARTITIONS):
                self._leases[group, lease.partition] = lease
                self._positions[group, lease.partition] = lease.seq
        return self

    async def end(self) -> None:
        await self._session.close()

    async def publish(self, *events: Event) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            await self.outbox.add(tx, *events)

    async def relay(self) -> None:
        while await self._relay._step(self._session, self._heads):
            pass

    async def handle(self, group: str) -> None:
        """Let a group handle everything that was relayed."""
        handlers = (
            dict.fromkeys(audiences.KEPT_BY, audiences.keep)
            if group == audiences.GROUP
            else dict.fromkeys(router.TOLD_OF, self.router.handle)
        )
        consumer = Consumer(group=group, handlers=handlers, retry=AT_ONCE)
        for partition in range(PARTITIONS):
            key = group, partition
            work = PartitionWork(consumer, self._leases[key], self.pool)
            while entries := await RelayLog(self.pool).events(partition, self._positions[key], 100):
                self._positions[key] = await work.handle(entries, self._positions[key])

    async def walk(self) -> None:
        while await self.walker.step():
            pass

    async def settle(self) -> None:
        """Relay, handle and walk until there is nothing left to do."""
        await self.relay()
        await self.handle(audiences.GROUP)
        await self.handle(router.GROUP)
        await self.walk()
        await self.relay()

    async def told(self, *events: Event) -> None:
        await self.publish(*events)
        await self.settle()

    async def shown(self, user: str) -> list[dict[str, Any]]:
        return [one.shown() for one in (await self.inbox.page(user, "inbox", limit=1000)).items]

    async def titles(self, user: str) -> list[str]:
        return [one["title"] for one in await self.shown(user)]

    async def reasons(self, event: Event, user: str) -> Mapping[str, tuple[str, str]] | None:
        """What was decided, by channel."""
        decided = await self.pool.fetchval(
            "SELECT decided FROM decisions WHERE event_id = $1 AND user_id = $2", event.id, user
        )
        return decided and {one["channel"]: (one["action"], one["reason"]) for one in decided}

    async def pushed(self) -> list[tuple[tuple[str, ...], str, Any]]:
        """The rooms, the name and the argument of each push-only entry since the last look."""
        entries = [PushEntry.from_entry(one) for one in await RelayLog(self.pool).push(self._pushed, 100_000)]
        self._pushed = entries[-1].seq if entries else self._pushed
        return [
            (target.rooms, *orjson.loads(target.packet))
            for entry in entries
            if entry.accepted is None
            for target in entry.targets
        ]

    async def dead(self) -> Sequence[Any]:
        return await self.pool.fetch(
            "SELECT error FROM parked UNION ALL SELECT error FROM walks WHERE state = 'dead'"
        )
