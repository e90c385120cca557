"""What is known of people before it is decided: who is suspended, and who got enough of late."""

from datetime import timedelta
from uuid import UUID

from routing.people import MOST, PER, People
from schemas.events.hours import HoursTipped
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.deliveries import Deliveries, NewDelivery
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.users import Users
from tests.routing.house import House


async def reachable(house: House, user: str, *channels: str) -> None:
    await Users().put(house.pool, user, Profile())
    for channel in channels:
        new = NewEndpoint(id=uuid7(), user_id=user, channel=channel, address=f"{user}@x", state="active")
        await Endpoints().put(house.pool, new, house.clock.now())


async def sent(house: House, user: str, channel: str, count: int, ago: timedelta = timedelta()) -> None:
    now = house.clock.now() - ago
    rows = [
        NewDelivery(
            id=uuid7(), user_id=user, event_id=uuid7(), notification_id=UUID(int=0), topic="tips", priority=0,
            channel=channel, endpoint_id=uuid7(), address="x", status="sent", due_at=now, created_at=now,
        )
        for _ in range(count)
    ]  # fmt: skip
    async with house.pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, rows)
        await tx.execute("UPDATE deliveries SET sent_at = created_at")


async def test_who_was_sent_enough_within_an_hour_gets_no_more_on_that_channel(house: House) -> None:
    for user in ("ann", "bob", "cid"):
        await reachable(house, user, "push", "email")
    await reachable(house, "dan")
    await sent(house, "ann", "push", MOST)
    await sent(house, "ann", "email", 1)
    await sent(house, "bob", "push", MOST - 1)
    await sent(house, "cid", "push", MOST, ago=PER)
    await sent(house, "dan", "push", MOST)
    people = await house.people.load(house.pool, ["ann", "bob", "cid", "dan"])
    assert {user: set(one.limited) for user, one in people.items()} == {
        "ann": {"push"},
        "bob": set(),
        "cid": set(),
        "dan": set(),
    }


async def test_how_much_that_is_can_be_set(house: House) -> None:
    await reachable(house, "ann", "push")
    await sent(house, "ann", "push", 2)
    loaded = [await People(house.clock, most=most).load(house.pool, ["ann"]) for most in (2, 3)]
    assert [set(people["ann"].limited) for people in loaded] == [{"push"}, set()]


async def test_of_one_channel_nothing_else_is_looked_up(house: House) -> None:
    await reachable(house, "ann", "push", "email")
    await sent(house, "ann", "email", 1)
    push = (await house.people.load(house.pool, ["ann"], channels={"push"}))["ann"]
    mail = (await house.people.load(house.pool, ["ann"], channels={"email"}))["ann"]
    assert ([one.channel for one in push.endpoints], push.mailed_at) == (["push"], None)
    assert ([one.channel for one in mail.endpoints], mail.mailed_at) == (["email"], house.clock.now())


async def test_what_goes_beyond_stays_in_the_inbox_with_its_reason(house: House) -> None:
    house.teller._channels = frozenset({"in_app", "push"})
    await reachable(house, "ann", "push")
    await sent(house, "ann", "push", MOST)
    tip = HoursTipped(to="ann", amount=1, actor="bob")
    await house.told(tip)
    reasons = await house.reasons(tip, "ann")
    assert reasons is not None
    assert (reasons["push"], reasons["in_app"]) == (("drop", "rate_limited"), ("send", "preferences"))
    house.clock.goes_on(hours=1)
    tip = HoursTipped(to="ann", amount=1, actor="bob")
    await house.told(tip)
    assert (await house.reasons(tip, "ann") or {})["push"] == ("send", "preferences")


async def test_who_is_suspended_finds_what_happened_when_they_are_back(house: House) -> None:
    house.teller._channels = frozenset({"in_app", "push"})
    await reachable(house, "ann", "push")
    await Users().suspend(house.pool, "ann")
    tip = HoursTipped(to="ann", amount=1, actor="bob")
    await house.told(tip)
    reasons = await house.reasons(tip, "ann")
    assert reasons is not None
    assert (reasons["push"], reasons["in_app"]) == (("drop", "blocked"), ("send", "preferences"))
    assert len(await house.titles("ann")) == 1
    assert await house.pool.fetchval("SELECT count(*) FROM deliveries") == 0
