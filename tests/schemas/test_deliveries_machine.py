"""Deliveries under dispatchers that come, go, pause and wake up with leases they lost: on real PostgreSQL."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from schemas.db import create_pool
from schemas.ids import uuid7
from schemas.store.deliveries import Deliveries, Delivery, NewDelivery, Outcome
from tests.machines import OnDatabase, explore

CHANNELS = ("email", "sms")
PROVIDERS = {"email": ("resend", "smtp"), "sms": ("twilio",)}
KEYED = ("resend",)
LEASE = timedelta(seconds=10)
FINAL = ("sent", "delivered", "failed", "dropped", "unknown")
RANKS = ("dropped", "queued", "held", "sending", "unknown", "sent", "failed", "delivered")
CHANNEL = st.sampled_from(CHANNELS)
WORKER = st.sampled_from(["w1", "w2", "w3"])


class Dispatchers(OnDatabase):
    """`held` is what each worker believes to have leased; only what the table says counts."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Deliveries()
        self.now = datetime(2026, 3, 2, 12, tzinfo=UTC)
        self.believed: dict[str, dict[UUID, Delivery]] = {"w1": {}, "w2": {}, "w3": {}}
        self.ended: dict[UUID, str] = {}
        self.lines: dict[UUID, int] = {}
        self.bound: dict[UUID, str | None] = {}
        """Which provider may have taken what waits."""
        self.late: set[UUID] = set()
        """What became unknown with the lease, and its worker may still tell of."""
        self.told: set[UUID] = set()
        """Of what the provider has told something before the worker that sent it."""

    async def _begin(self) -> None:
        self.pool = await create_pool(self.dsn, max_size=4)
        await self.pool.execute("TRUNCATE deliveries, delivery_attempts")

    @rule(
        channel=CHANNEL, urgency=st.lists(st.integers(0, 2), min_size=1, max_size=4), late=st.integers(0, 20)
    )
    def add(self, channel: str, urgency: list[int], late: int) -> None:
        new = [
            NewDelivery(
                id=uuid7(), user_id="ann", event_id=uuid7(), notification_id=UUID(int=priority), topic="tips",
                priority=priority, channel=channel, endpoint_id=uuid7(), address="a", created_at=self.now,
                status="held" if late else "queued", due_at=self.now + timedelta(seconds=late),
            )
            for priority in urgency
        ]  # fmt: skip
        self.run(self._insert(new))

    async def _insert(self, new: list[NewDelivery]) -> None:
        async with self.pool.acquire() as tx, tx.transaction():
            await self.store.insert(tx, new)

    @rule(seconds=st.sampled_from([1, 5, 11]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(channel=CHANNEL, which=st.integers(0, 1), limit=st.integers(1, 3))
    def all_claim_at_once(self, channel: str, which: int, limit: int) -> None:
        provider = PROVIDERS[channel][which % len(PROVIDERS[channel])]
        due = self.run(
            self.pool.fetch(
                "SELECT id, priority FROM deliveries WHERE channel = $1 AND due_at <= $2"
                " AND status IN ('queued', 'held') ORDER BY priority",
                channel,
                self.now,
            )
        )
        taken = self.run(self._claim_all(channel, provider, limit))
        ids = [one.id for some in taken.values() for one in some]
        assert len(ids) == len(set(ids))
        assert set(ids) <= {row["id"] for row in due}
        for worker, some in taken.items():
            assert all(self.bound.get(one.id, provider) == provider for one in some)
            assert [one.priority for one in some] == sorted(one.priority for one in some)
            self.believed[worker] |= {one.id: one for one in some}

    async def _claim_all(self, channel: str, provider: str, limit: int) -> dict[str, list[Delivery]]:
        found = await asyncio.gather(
            *(
                self.store.claim(
                    self.pool, worker, channel, self.now, provider=provider, lease=LEASE, limit=limit
                )
                for worker in self.believed
            )
        )
        return dict(zip(self.believed, found, strict=True))

    @rule(worker=WORKER, status=st.sampled_from(["sent", "failed", "unknown", "dropped"]))
    def finish(self, worker: str, status: str) -> None:
        outcomes = [Outcome(id=one, status=status, outcome=status) for one in self.believed[worker]]
        for one in self._settle(worker, outcomes):
            self._over(one, status)

    @rule(status=st.sampled_from(["sent", "delivered", "failed"]), which=st.integers(0, 20))
    def report(self, status: str, which: int) -> None:
        rows = self.run(self.pool.fetch("SELECT id, channel, status, owner FROM deliveries ORDER BY id"))
        if not rows:
            return
        row = rows[which % len(rows)]
        provider, key = PROVIDERS[row["channel"]][0], row["id"]
        self.run(self.store.report(self.pool, provider, "ref", status=status, now=self.now, delivery=key))
        self.lines[key] = self.lines.get(key, 0) + 1
        of_before = status == "failed" and row["status"] in ("queued", "held")
        if RANKS.index(status) > RANKS.index(row["status"]) and not of_before:
            self.ended[key] = status
        if row["owner"] is not None:
            self.told.add(key)
            self.late.discard(key)

    @rule(channel=CHANNEL, address=st.sampled_from(["a", "b"]))
    def the_address_is_busy(self, channel: str, address: str) -> None:
        until = self.now + timedelta(seconds=4)
        self.run(self.store.put_off(self.pool, channel, address, until, self.now))
        assert not self.run(
            self.pool.fetchval(
                "SELECT count(*) FROM deliveries WHERE channel = $1 AND address = $2 AND due_at < $3"
                " AND status IN ('queued', 'held')",
                channel,
                address,
                until,
            )
        )

    @rule(channel=CHANNEL)
    def the_address_moves(self, channel: str) -> None:
        count = "SELECT count(*) FROM deliveries WHERE channel = $1 AND status IN ('queued', 'held')"
        waiting = self.run(self.pool.fetchval(count, channel))
        self.run(self.store.readdress(self.pool, channel, "a", "b"))
        assert self.run(self.pool.fetchval(f"{count} AND address = 'b'", channel)) == waiting

    @rule(worker=WORKER, status=st.sampled_from(["queued", "held"]), taken=st.booleans())
    def put_off(self, worker: str, status: str, taken: bool) -> None:
        later = self.now + timedelta(seconds=3)
        providers = {
            key: one.provider if taken and one.provider in KEYED else None
            for key, one in self.believed[worker].items()
        }
        outcomes = [
            Outcome(id=one, status=status, outcome="again", due_at=later, provider=provider)
            for one, provider in providers.items()
        ]
        not_taken = {key for key, provider in providers.items() if provider is None}
        for one in self._settle(worker, outcomes, not_taken):
            if provider := providers[one]:
                self.bound[one] = provider
            else:
                self.bound.pop(one, None)

    def _settle(self, worker: str, outcomes: list[Outcome], not_taken: Collection[UUID] = ()) -> set[UUID]:
        done = self._fenced(worker, lambda: self.store.finish(self.pool, worker, outcomes, self.now))
        for one in done & self.told & {*not_taken}:
            if self.ended[one] == "failed":  # that was of another attempt
                del self.ended[one]
                self.told.discard(one)
        for one in done:
            self.lines[one] = self.lines.get(one, 0) + 1
        known = done & self.told
        for one in done & self.late:
            assert self.ended.pop(one) == "unknown"
        self.told -= done
        self.late -= done
        return done - known

    @rule(worker=WORKER)
    def renew(self, worker: str) -> None:
        self.run(self.store.renew(self.pool, worker, list(self.believed[worker]), self.now, LEASE))

    @rule()
    def recover(self) -> None:
        found = self.run(self.store.recover(self.pool, self.now, channels=CHANNELS, keyed=KEYED))
        for one in found:
            self.lines[one.id] = self.lines.get(one.id, 0) + 1
            assert one.status == ("queued" if one.provider in KEYED else "unknown")
            if one.status == "unknown":
                assert one.owner is not None
                assert one.id in self.believed[one.owner]
                self._over(one.id, "unknown")
                self.late.add(one.id)
            else:
                assert one.owner is None
                self.bound[one.id] = one.provider

    @rule(priority=st.integers(0, 2))
    def the_person_reads(self, priority: int) -> None:
        waiting = self.run(
            self.pool.fetch(
                "SELECT id FROM deliveries WHERE notification_id = $1 AND status IN ('queued', 'held')",
                UUID(int=priority),
            )
        )
        self.run(self.store.drop_for_read(self.pool, "ann", [UUID(int=priority)], self.now))
        for row in waiting:
            self._over(row["id"], "dropped")
            self.lines[row["id"]] = self.lines.get(row["id"], 0) + 1

    @rule()
    def redrive(self) -> None:
        wanted = {one for one, status in self.ended.items() if status in ("failed", "unknown")}
        assert self.run(self.store.redrive(self.pool, list(self.ended), self.now)) == wanted
        for one in wanted:
            del self.ended[one]
            self.bound.pop(one, None)
            self.told.discard(one)
            self.late.discard(one)

    def _fenced(self, worker: str, write: Any) -> set[UUID]:
        """Write as a worker; it must reach exactly what the worker still holds."""
        rows = self.run(self.pool.fetch("SELECT id FROM deliveries WHERE owner = $1", worker))
        held = {row["id"] for row in rows} & set(self.believed[worker])
        done: set[UUID] = self.run(write())
        assert done == held
        self.believed[worker] = {}
        return done

    def _over(self, delivery: UUID, status: str) -> None:
        assert delivery not in self.ended
        self.ended[delivery] = status

    @invariant()
    def what_ended_stays_so_and_every_attempt_is_on_record(self) -> None:
        if not hasattr(self, "pool"):
            return
        rows = self.run(
            self.pool.fetch(
                "SELECT d.*, (SELECT count(*) FROM delivery_attempts a WHERE a.delivery_id = d.id) AS lines"
                " FROM deliveries d"
            )
        )
        for row in rows:
            assert row["status"] == self.ended.get(row["id"], row["status"])
            assert (row["status"] in FINAL) == (row["id"] in self.ended)
            known = row["id"] in self.told | self.late
            assert (row["owner"] is not None) == (row["status"] == "sending" or known)
            assert row["lines"] == row["notes"] == self.lines.get(row["id"], 0)


@pytest.mark.timeout(170)
def test_no_order_of_doings_sends_twice_or_loses_a_delivery(own_database: str) -> None:
    explore(Dispatchers, own_database, examples=25, steps=30)
