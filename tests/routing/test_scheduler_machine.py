"""Digests under tellers that append, schedulers that close, and people who change their minds."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from routing.digest import due_for
from routing.people import People
from routing.rescheduling import reschedule
from routing.scheduler import Scheduler
from schemas.db import create_pool
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.digests import Digests, Kind, NewItem
from schemas.store.notifications import Notifications
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.machines import OnDatabase, explore
from tests.routing.house import FakeClock

USERS = ("ann", "bob", "cid")
SOME = st.lists(st.sampled_from(USERS), min_size=1, max_size=3, unique=True)
KINDS = st.sampled_from(["scheduled", "scheduled", "spacing"])
WISHES = st.sampled_from(
    [
        {"mode": "off"},
        {"mode": "weekly"},
        {"mode": "daily"},
        {"mode": "daily", "at": "20:00"},
        {"mode": "weekly", "weekday": "thu", "at": "12:30"},
        {"mode": "daily", "channel": "telegram"},
    ]
)


class DyingError(Exception):
    """What a scheduler meets in the middle of its work."""


class DyingPeople(People):
    """A scheduler that asks them has closed digests already, and comes no further."""

    async def load(self, *_: Any, **__: Any) -> Any:
        raise DyingError


class Gatherings(OnDatabase):
    """`added` is what tellers have put in; it must be in one digest each, however they and others ran.

    `closed` is what was in digests right after they were closed: nothing may come to it any more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = Digests()
        self.people = People(self.clock)
        self.added: list[tuple[UUID, str, str]] = []
        self.closed: dict[UUID, set[UUID]] = {}

    async def _begin(self) -> None:
        self.pool = await create_pool(self.dsn, max_size=8)
        await self.pool.execute("TRUNCATE digests, digest_items, deliveries, preferences, users, endpoints")
        for user, tz in zip(USERS, ("Europe/Berlin", "America/New_York", None), strict=True):
            await Users().put(self.pool, user, Profile(email=f"{user}@example.com", tz=tz))

    def _scheduler(self, people: People | None = None) -> Scheduler:
        return Scheduler(self.pool, people or self.people, self.clock, at_once=2)

    async def _close(self) -> None:
        await self._scheduler().step()
        rows = await self.pool.fetch(
            "SELECT d.id, array_agg(i.event_id) AS events FROM digests d"
            " JOIN digest_items i ON i.digest_id = d.id WHERE d.state = 'closed' GROUP BY d.id"
        )
        for row in rows:
            self.closed.setdefault(row["id"], set(row["events"]))

    async def _append(self, users: Sequence[str], kind: Kind) -> None:
        now, event = self.clock.now(), uuid7()
        async with self.pool.acquire() as tx, tx.transaction():
            await Notifications().share(tx, sorted(users))
            found = await self.people.load(tx, users)
            items = []
            for to in found.values():
                digest = to.preferences.digest
                if kind == "scheduled" and (digest.mode == "off" or digest.channel != "email"):
                    continue
                due_at = due_for(to, now) if kind == "scheduled" else now + timedelta(hours=1)
                endpoint = to.endpoints[0].id
                items.append(NewItem(to.user, "email", endpoint, kind, due_at, event, event, "announcements"))
            if items:
                await self.store.add(tx, items, now)
        self.added += [(event, one.user_id, one.kind) for one in items]

    @rule(users=SOME, kind=KINDS)
    def append(self, users: list[str], kind: Kind) -> None:
        self.run(self._append(users, kind))

    @rule(users=SOME, kinds=st.lists(KINDS, min_size=2, max_size=4), schedulers=st.integers(1, 3))
    def append_and_close_at_once(self, users: list[str], kinds: list[Kind], schedulers: int) -> None:
        async def together() -> None:
            await asyncio.gather(
                *(self._append(users, kind) for kind in kinds),
                *(self._close() for _ in range(schedulers)),
                *(self._append(users[::-1], kind) for kind in kinds),
            )

        self.run(together())

    @rule(hours=st.sampled_from([0.5, 1, 5, 24, 24 * 7]))
    def time_passes(self, hours: float) -> None:
        self.clock.goes_on(hours=hours)

    @rule(user=st.sampled_from(USERS), digest=WISHES, users=SOME)
    def somebody_changes_their_mind_meanwhile(
        self, user: str, digest: dict[str, str], users: list[str]
    ) -> None:
        async def change() -> None:
            async with self.pool.acquire() as tx, tx.transaction():
                await PreferenceDocuments().put(tx, user, {"digest": digest})
                await reschedule(tx, user, self.clock)

        async def together() -> None:
            await asyncio.gather(change(), self._close(), self._append(users, "scheduled"))

        self.run(together())

    @rule()
    def a_scheduler_dies(self) -> None:
        due = self.run(self._due())
        before = self.run(self._rows())
        try:
            self.run(self._scheduler(DyingPeople(self.clock)).step())
            assert not due
        except DyingError:
            assert due
        assert self.run(self._rows()) == before

    @rule()
    def everything_that_is_due_leaves(self) -> None:
        off = self.run(self._without_digests())
        known = {row["id"] for row in self.run(self._rows())}
        while self.run(self._scheduler().step()):
            pass
        assert not self.run(self._due())
        for row in self.run(self._rows()):
            if row["id"] not in known:
                given_up = row["kind"] == "scheduled" and row["user_id"] in off
                assert (row["status"], row["reason"]) == (
                    ("dropped", "digest_off") if given_up else ("queued", None)
                )

    async def _due(self) -> Any:
        return await self.pool.fetchval(
            "SELECT count(*) FROM digests WHERE state = 'open' AND due_at <= $1", self.clock.now()
        )

    async def _rows(self) -> list[Any]:
        return await self.pool.fetch(
            "SELECT d.id, d.digest_id, d.user_id, d.status, d.reason, g.kind FROM deliveries d"
            " JOIN digests g ON g.id = d.digest_id ORDER BY d.id"
        )

    async def _without_digests(self) -> set[str]:
        people = await self.people.load(self.pool, USERS)
        return {
            user
            for user, to in people.items()
            if to.preferences.digest.mode == "off" or to.preferences.digest.channel != "email"
        }

    @invariant()
    def each_item_is_in_one_digest_and_each_closed_digest_has_one_delivery(self) -> None:
        if hasattr(self, "pool"):
            self.run(self._check())

    async def _check(self) -> None:
        held = await self.pool.fetch(
            "SELECT i.event_id, d.user_id, d.kind, d.id FROM digest_items i JOIN digests d"
            " ON d.id = i.digest_id"
        )
        assert Counter(tuple(row)[:3] for row in held) == Counter(self.added)
        for digest, events in self.closed.items():
            assert events == {row["event_id"] for row in held if row["id"] == digest}
        digests = await self.pool.fetch(
            "SELECT d.*, (SELECT count(*) FROM deliveries e WHERE e.digest_id = d.id) AS sent,"
            " (SELECT count(*) FROM digest_items i WHERE i.digest_id = d.id) AS items FROM digests d"
        )
        for row in digests:
            assert row["sent"] == (row["state"] == "closed")
            assert row["items"]
            assert (row["closed_at"] is not None) == (row["state"] == "closed")
            if row["state"] == "closed":
                assert row["due_at"] <= row["closed_at"]
            elif row["kind"] == "scheduled":
                await self._check_hour(row)

    async def _check_hour(self, row: Any) -> None:
        """Nothing waits longer than its person wants it to."""
        to = (await self.people.load(self.pool, [row["user_id"]]))[row["user_id"]]
        digest = to.preferences.digest
        if digest.mode != "off" and digest.channel == row["channel"]:
            assert row["due_at"] <= due_for(to, self.clock.now())


@pytest.mark.timeout(170)
def test_no_order_of_doings_loses_or_doubles_what_was_gathered(own_database: str) -> None:
    explore(Gatherings, own_database, examples=25, steps=25)
