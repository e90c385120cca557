"""The inbox: what a person does in it, and what all devices are told, never drifts from what is stored."""

import asyncio
import base64
from uuid import UUID

import pytest

from routing.inbox import TOLD_ONE_BY_ONE, CursorError
from schemas.db import Pool
from schemas.events.content import ContentCommented, ContentLiked
from schemas.events.hours import HoursTipped
from schemas.ids import uuid7
from schemas.store.deliveries import Deliveries, NewDelivery
from schemas.store.notifications import AllRead, Notifications
from tests.routing.house import House

FORGED = base64.urlsafe_b64encode(b"0001-01-01T00:00:00+23:59 " + b"0" * 32).decode()


def tip(amount: int = 1, to: str = "ann") -> HoursTipped:
    return HoursTipped(to=to, amount=amount, actor="bob")


async def ids(house: House, user: str = "ann") -> list[UUID]:
    """The newest first."""
    return [UUID(one["id"]) for one in await house.shown(user)]


async def tips(house: House, count: int) -> list[UUID]:
    for _ in range(count):
        house.clock.goes_on(seconds=1)
        await house.told(tip())
    await house.pushed()
    return await ids(house)


async def test_pages_follow_each_other_to_the_end(house: House) -> None:
    wanted = await tips(house, 7)
    found, cursor = [], None
    while True:
        page = await house.inbox.page("ann", "unread", cursor, 3)
        found += [one.id for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == wanted


@pytest.mark.parametrize("cursor", ["", "x", "ä", "bm8gbm8=", "MjAyNi0wMS0wMSAx", FORGED])
async def test_a_made_up_cursor_is_refused(house: House, cursor: str) -> None:
    with pytest.raises(CursorError):
        await house.inbox.page("ann", "all", cursor)


async def test_reading_is_told_to_all_devices_with_the_count(house: House) -> None:
    newest, other = await tips(house, 2)
    changed = await house.inbox.read("ann", [newest])
    assert ([one.state for one in changed.found], changed.unread) == (["read"], 1)
    await house.relay()
    [(rooms, name, packet), counts] = await house.pushed()
    assert (rooms, name, packet["data"]["state"]) == (("user:ann",), "notification.updated", "read")
    assert packet["data"] == (await house.shown("ann"))[0]
    assert counts == (("user:ann",), "notifications.counts", {"unread": 1})
    assert [one.id for one in (await house.inbox.page("ann")).items] == [other]


async def test_what_changes_nothing_is_not_told(house: House) -> None:
    [newest] = await tips(house, 1)
    await house.inbox.archive("ann", [newest])
    await house.relay()
    await house.pushed()
    for change in (house.inbox.read, house.inbox.archive):
        assert (await change("ann", [newest, uuid7()])).found[0].state == "archived"
    assert (await house.inbox.read("bob", [newest])).found == []
    assert await house.inbox.read_all("ann") == 0
    await house.relay()
    assert await house.pushed() == []


async def test_what_is_archived_is_listed_apart_and_can_come_back(house: House) -> None:
    [newest] = await tips(house, 1)
    await house.inbox.archive("ann", [newest])
    assert await house.shown("ann") == []
    assert [one.id for one in (await house.inbox.page("ann", "archived")).items] == [newest]
    assert (await house.inbox.unread("ann", [newest])).unread == 1
    assert await ids(house) == [newest]


async def test_everything_is_read_at_once(house: House) -> None:
    await tips(house, 3)
    await house.told(tip(to="dan"))
    await house.pushed()
    assert await house.inbox.read_all("ann") == 3
    assert (await house.inbox.counts("ann"), await house.inbox.counts("dan")) == (0, 1)
    await house.relay()
    assert [name for _, name, _ in await house.pushed()] == [
        *["notification.updated"] * 3,
        "notifications.read_all",
        "notifications.counts",
    ]


async def test_a_read_notification_does_not_grow_any_more(house: House) -> None:
    await house.told(ContentLiked(content_id="c", author="ann", actor="bob"))
    [first] = await ids(house)
    await house.inbox.read("ann", [first])
    await house.told(ContentLiked(content_id="c", author="ann", actor="cid"))
    assert [one["count"] for one in await house.shown("ann")] == [1, 1]
    await house.inbox.unread("ann", [first])  # two of a kind are unread now
    await house.told(ContentLiked(content_id="c", author="ann", actor="dan"))
    assert sorted(one["count"] for one in await house.shown("ann")) == [1, 2]


async def test_a_notification_grows_and_comes_to_the_top(house: House) -> None:
    await house.told(ContentCommented(content_id="c", author="ann", actor="bob", text="first"))
    house.clock.goes_on(minutes=1)
    await house.told(tip())
    house.clock.goes_on(minutes=1)
    await house.told(ContentCommented(content_id="c", author="ann", actor="cid", text="second"))
    comments, _ = await house.shown("ann")
    assert comments["title"] == "cid and bob commented on your post"
    assert (comments["text"], comments["count"]) == ("second", 2)
    assert comments["created_at"] < comments["updated_at"]
    assert await house.inbox.counts("ann") == 2


async def test_people_are_counted_once_however_often_and_however_long_ago(house: House) -> None:
    for actor in [*(f"u{n}" for n in range(7)), "u0", "u6", "u0"]:
        await house.told(ContentLiked(content_id="c", author="ann", actor=actor))
    [likes] = await house.shown("ann")
    assert (likes["count"], likes["actors"]) == (7, ["u0", "u6", "u5"])
    assert likes["title"] == "u0, u6 and 5 others liked your post"
    assert len(likes["event_ids"]) == 10


async def test_only_the_latest_hundred_events_are_named(house: House) -> None:
    likes = [ContentLiked(content_id="c", author="ann", actor=f"u{n}") for n in range(130)]
    await house.told(*likes)
    [shown] = await house.shown("ann")
    assert shown["count"] == 130
    assert shown["event_ids"] == [str(like.id) for like in likes[:29:-1]]


async def test_writers_beside_each_other_lose_no_event(house: House, pool: Pool) -> None:
    """Routers of different partitions write to one notification, and a reader in between."""
    likes = [ContentLiked(content_id="c", author="ann", actor=f"u{n % 9}") for n in range(60)]
    await house.publish(*likes)
    await house.relay()

    async def write(some: list[ContentLiked]) -> None:
        for like in some:
            async with pool.acquire() as tx, tx.transaction():
                await house.router.handle(tx, [like])

    async def read() -> None:
        for _ in range(8):
            await house.inbox.read_all("ann")
            await asyncio.sleep(0)

    await asyncio.gather(*(write(likes[n::5]) for n in range(5)), read())
    rows = await pool.fetch("SELECT event_ids, count, actors FROM notifications")
    assert sum(len(row["event_ids"]) for row in rows) == 60
    for row in rows:
        mine = {like.actor for like in likes if like.id in row["event_ids"]}
        assert row["count"] == len(mine)
    assert await pool.fetchval("SELECT count(*) FROM notifications WHERE state = 'unread'") <= 1
    assert await pool.fetchval("SELECT count(*) FROM decisions") == 60


async def test_a_read_withdraws_what_still_waits_elsewhere(house: House) -> None:
    [newest] = await tips(house, 1)
    now = house.clock.now()
    waiting = {
        status: NewDelivery(
            id=uuid7(), user_id="ann", event_id=uuid7(), notification_id=newest, topic="tips", priority=0,
            channel="push", endpoint_id=uuid7(), address="a", status=status, due_at=now, created_at=now,
        )
        for status in ("queued", "held", "sending", "sent")
    }  # fmt: skip
    async with house.pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, list(waiting.values()))
    await house.inbox.read("ann", [newest])
    found = {
        one.id: (one.status, one.reason)
        for one in await Deliveries().get_many(house.pool, [w.id for w in waiting.values()])
    }
    assert {status: found[one.id] for status, one in waiting.items()} == {
        "queued": ("dropped", "read_already"),
        "held": ("dropped", "read_already"),
        "sending": ("sending", None),
        "sent": ("sent", None),
    }


async def test_whoever_reads_very_much_at_once_is_told_of_the_latest(house: House) -> None:
    now = house.clock.now()
    await house.told(*[tip() for _ in range(TOLD_ONE_BY_ONE + 5)])
    await house.pushed()
    waiting = [
        NewDelivery(
            id=uuid7(), user_id="ann", event_id=uuid7(), notification_id=one, topic="tips", priority=0,
            channel="push", endpoint_id=uuid7(), address="a", status="held", due_at=now, created_at=now,
        )
        for one in await ids(house)
    ]  # fmt: skip
    async with house.pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, waiting)
        assert await Notifications().read_all(tx, "bob", now, 10) == AllRead(0, [], [])
    assert await house.inbox.read_all("ann") == TOLD_ONE_BY_ONE + 5
    rows = await house.pool.fetch("SELECT DISTINCT status, reason FROM deliveries")
    assert [tuple(row) for row in rows] == [("dropped", "read_already")]
    await house.relay()
    names = [name for _, name, _ in await house.pushed()]
    assert names.count("notification.updated") == TOLD_ONE_BY_ONE


async def test_an_erased_person_is_called_someone(house: House) -> None:
    for actor in ("erased:0123456789abcdef", "bob"):
        await house.told(ContentLiked(content_id="c", author="ann", actor=actor))
    assert await house.titles("ann") == ["bob and Someone liked your post"]
    await house.told(ContentLiked(content_id="d", author="ann", actor="erased:0123456789abcdef"))
    assert "Someone liked your post" in await house.titles("ann")
