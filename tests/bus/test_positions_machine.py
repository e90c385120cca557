"""Leases and positions under any order of events, on real PostgreSQL: nothing lost, doubled or reordered."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bus.appender import Appender
from bus.consumer import Consumer, PartitionWork
from bus.log import RelayLog
from bus.memory import MemoryBus
from bus.outbox import Outbox
from bus.partitions import agree
from bus.positions import Lease, LostLeaseError, Positions
from bus.relay import Heads, Relay, RelayConfig
from bus.retry import Retry
from schemas.db import Connection, Session, connect, create_pool
from schemas.events.base import Event
from schemas.events.content import ContentLiked, ContentViewed
from tests.machines import OnDatabase, explore

PARTITIONS = 2
WORKERS = st.sampled_from(["w1", "w2", "w3"])
SUBJECTS = st.sampled_from(["c0", "c1", "c2", "c3"])
KINDS = st.sampled_from([ContentLiked, ContentViewed])  # the group wants the first alone
TABLES = (
    "applied",
    "consumer_commits",
    "consumer_positions",
    "event_ids",
    "events",
    "outbox",
    "parked",
    "relay_log",
    "workers",
)


class Groups(OnDatabase):
    """Workers that come, go, are paused and wake up with leases they no longer hold."""

    def __init__(self) -> None:
        super().__init__()
        self.published: dict[str, list[UUID]] = defaultdict(list)
        self.broken: set[str] = set()
        self.leases: dict[tuple[str, int], Lease] = {}
        self.seen: dict[tuple[str, int], int] = {}

    async def _begin(self) -> None:
        self.pool = await create_pool(self.dsn, max_size=3)
        self.session: Session = await connect(self.dsn)
        await self.pool.execute(
            "CREATE TABLE IF NOT EXISTS applied"
            " (n bigint GENERATED ALWAYS AS IDENTITY, id uuid, subject text)"
        )
        await self.pool.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY")
        await self.pool.execute("UPDATE relay_heads SET seq = 0")
        async with self.pool.acquire() as tx, tx.transaction():
            await agree(tx, PARTITIONS)
        appender = Appender(MemoryBus(), self.pool, partitions=PARTITIONS, groups=["g"], window_s=1)
        self.relay = Relay(self.dsn, appender, RelayConfig(partitions=PARTITIONS, batch=3))
        self.heads = Heads({"log": 0, "push": 0})
        await Positions("g", "w1", 30).prepare(self.pool, PARTITIONS)

    async def _end(self) -> None:
        await self.session.close()
        await self.pool.close()

    async def _apply(self, tx: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if event.subject in self.broken:
                raise RuntimeError(event.subject)
            await tx.execute("INSERT INTO applied (id, subject) VALUES ($1, $2)", event.id, event.subject)

    def _work(self, lease: Lease) -> PartitionWork:
        retry = Retry(attempts=1_000_000, first=timedelta(0))
        return PartitionWork(
            Consumer(group="g", handlers={ContentLiked: self._apply}, retry=retry), lease, self.pool
        )

    @rule(subjects=st.lists(SUBJECTS, min_size=1, max_size=6), kind=KINDS)
    def publish(self, subjects: list[str], kind: type[ContentLiked | ContentViewed]) -> None:
        events = [kind(content_id=subject, author="ann") for subject in subjects]
        for event in events:
            if kind is ContentLiked:
                self.published[event.subject].append(event.id)
        self.run(self._publish(events))

    async def _publish(self, events: Sequence[Event]) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            await Outbox(self.pool).add(tx, *events)

    @rule()
    def relay_a_batch(self) -> None:
        self.run(self.relay._step(self.session, self.heads))

    @rule(worker=WORKERS, most=st.integers(1, PARTITIONS))
    def claim(self, worker: str, most: int) -> None:
        for lease in self.run(Positions("g", worker, 30).claim(self.pool, most)):
            self.leases[worker, lease.partition] = lease
            self.seen[worker, lease.partition] = lease.seq

    @rule(worker=WORKERS)
    def let_its_leases_run_out(self, worker: str) -> None:
        self.run(
            self.pool.execute("UPDATE consumer_positions SET lease_until = now() WHERE owner = $1", worker)
        )

    @rule(worker=WORKERS)
    def release(self, worker: str) -> None:
        self.run(Positions("g", worker, 30).release(self.pool, range(PARTITIONS)))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), count=st.integers(1, 4))
    def handle_with_a_lease_old_or_new(self, data: st.DataObject, count: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.leases)))
        self.run(self._handle(key, count))

    async def _handle(self, key: tuple[str, int], count: int) -> None:
        lease, before = self.leases[key], self.seen[key]
        entries = await RelayLog(self.pool).events(lease.partition, before, count)
        row = await self.pool.fetchrow(
            "SELECT seq, epoch FROM consumer_positions WHERE partition = $1", lease.partition
        )
        assert row is not None
        if not entries:
            return
        try:
            self.seen[key] = await self._work(lease).handle(entries, before)
        except LostLeaseError:
            assert (row["epoch"], row["seq"]) != (lease.epoch, before)
        else:
            assert (row["epoch"], row["seq"]) == (lease.epoch, before)
            where = "SELECT seq FROM consumer_positions WHERE partition = $1"
            assert await self.pool.fetchval(where, lease.partition) == self.seen[key]

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def retry_what_is_parked(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.leases)))
        self.run(self._retry(self.leases[key]))

    async def _retry(self, lease: Lease) -> None:
        try:
            await self._work(lease).retry_parked()
        except LostLeaseError:
            return  # the paused worker learns that it is one

    @rule(subject=SUBJECTS)
    def break_a_subject(self, subject: str) -> None:
        self.broken.add(f"content:{subject}")

    @rule()
    def mend_all_subjects(self) -> None:
        self.broken.clear()

    @invariant()
    def what_was_applied_is_a_beginning_of_what_was_published(self) -> None:
        if not hasattr(self, "pool"):
            return
        applied: dict[str, list[UUID]] = defaultdict(list)
        for row in self.run(self.pool.fetch("SELECT id, subject FROM applied ORDER BY n")):
            applied[row["subject"]].append(row["id"])
        for subject, ids in applied.items():
            assert ids == self.published[subject][: len(ids)]

    @invariant()
    def no_event_is_lost_behind_a_position(self) -> None:
        if not hasattr(self, "pool"):
            return
        lost = self.run(
            self.pool.fetchval(
                "SELECT count(*) FROM relay_log r JOIN consumer_positions p ON p.partition = r.partition"
                " WHERE r.seq <= p.seq AND r.type = 'content.liked'"
                " AND NOT EXISTS (SELECT 1 FROM applied a WHERE a.id = r.event_id)"
                " AND NOT EXISTS (SELECT 1 FROM parked k WHERE k.seq = r.seq AND k.state = 'parked')"
            )
        )
        assert lost == 0


@pytest.mark.timeout(120)
def test_no_order_of_events_loses_doubles_or_reorders(own_database: str) -> None:
    explore(Groups, own_database, examples=25, steps=30)
