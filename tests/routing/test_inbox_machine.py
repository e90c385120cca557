"""Whoever applies what is pushed, in order, holds what would be fetched: on real PostgreSQL."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from routing.model import Notification, Recipient
from routing.preferences import DEFAULT
from routing.text import Headline
from schemas.db import create_pool
from schemas.ids import uuid7
from tests.machines import OnDatabase, explore
from tests.routing.house import House

USERS = ("ann", "bob", "cid")
ONE = st.sampled_from(USERS)
SOME = st.lists(ONE, min_size=1, max_size=3, unique=True)
ACTORS = st.sampled_from(["u1", "u2", "u3", "u4", "u5"])
KEYS = st.sampled_from([None, "likes:c1", "likes:c2"])
PRIORITIES = st.sampled_from(["standard", "standard", "silent"])


class Device:
    """A client: it fetched once, at the beginning, and since then it only applies what it is told."""

    def __init__(self) -> None:
        self.inbox: dict[str, dict[str, Any]] = {}
        self.unread = 0

    def apply(self, name: str, argument: dict[str, Any]) -> None:
        if name == "notifications.counts":
            self.unread = argument["unread"]
        elif name == "notifications.read_all":
            for one in self.inbox.values():
                one["state"] = "read" if one["state"] == "unread" else one["state"]
        else:
            told = dict(argument["data"])
            if name == "notification.created" and told["priority"] != "silent":
                self.unread += 1
            assert (told["id"] in self.inbox) == (name == "notification.updated")
            self.inbox[told["id"]] = told


class Inboxes(OnDatabase):
    """People are told of things, alone and together, and read, archive and take back meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.devices = {user: Device() for user in USERS}

    async def _begin(self) -> None:
        self.pool = await create_pool(self.dsn, max_size=4)
        await self.pool.execute(
            "TRUNCATE notifications, decisions, deliveries, outbox, relay_log, consumer_positions"
        )
        await self.pool.execute("UPDATE relay_heads SET seq = 0")
        self.house = await House(self.dsn, self.pool).begin()

    async def _end(self) -> None:
        await self.house.end()
        await self.pool.close()

    def _notification(self, actor: str, key: str | None, priority: Any) -> Notification:
        return Notification(
            event_id=uuid7(),
            topic="likes" if priority == "standard" else "comments",
            priority=priority,
            title=f"{actor} liked your post",
            actor=actor,
            collapse=None if key is None else f"{priority}:{key}",
            headline=None if key is None else Headline(one="{who} liked your post"),
        )

    async def _tell(self, users: list[str], notification: Notification) -> None:
        recipients = [Recipient(user=user, preferences=DEFAULT) for user in users]
        async with self.pool.acquire() as tx, tx.transaction():
            await self.house.teller.tell(tx, notification, recipients, self.house.clock.now())

    @rule(users=SOME, actor=ACTORS, key=KEYS, priority=PRIORITIES)
    def tell(self, users: list[str], actor: str, key: str | None, priority: str) -> None:
        self.house.clock.goes_on(seconds=1)
        self.run(self._tell(users, self._notification(actor, key, priority)))

    @rule(
        user=ONE,
        picks=st.lists(st.integers(0, 9), min_size=1, max_size=4),
        wish=st.sampled_from(["read", "unread", "archive"]),
    )
    def change_some(self, user: str, picks: list[int], wish: str) -> None:
        known = list(self.devices[user].inbox)
        if known:
            ids = {UUID(known[pick % len(known)]) for pick in picks}
            self.run(getattr(self.house.inbox, wish)(user, [*ids]))

    @rule(user=ONE)
    def read_all(self, user: str) -> None:
        self.run(self.house.inbox.read_all(user))

    @rule(user=ONE, users=SOME, actors=st.lists(ACTORS, min_size=1, max_size=3), key=KEYS)
    def do_everything_at_once(self, user: str, users: list[str], actors: list[str], key: str | None) -> None:
        self.house.clock.goes_on(seconds=1)

        async def together() -> None:
            tellings = [self._tell(users, self._notification(actor, key, "standard")) for actor in actors]
            await asyncio.gather(*tellings, self.house.inbox.read_all(user))

        self.run(together())

    @invariant()
    def devices_hold_what_is_stored(self) -> None:
        if not hasattr(self, "house"):
            return
        self.run(self.house.relay())
        for rooms, name, argument in self.run(self.house.pushed()):
            for room in rooms:
                self.devices[room.removeprefix("user:")].apply(name, argument)
        for user, device in self.devices.items():
            fetched = self.run(self._fetched(user))
            assert device.inbox == fetched
            assert device.unread == self.run(self.house.inbox.counts(user))

    async def _fetched(self, user: str) -> dict[str, dict[str, Any]]:
        archived = (await self.house.inbox.page(user, "archived", limit=1000)).items
        return {one["id"]: one for one in [*await self.house.shown(user), *(a.shown() for a in archived)]}


@pytest.mark.timeout(170)
def test_what_is_applied_is_what_would_be_fetched(own_database: str) -> None:
    explore(Inboxes, own_database, examples=20, steps=25)
