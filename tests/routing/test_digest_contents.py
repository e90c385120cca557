"""What a digest says when it is sent: what is unread by then, and still wanted."""

from typing import Any
from uuid import UUID

import pytest

from routing.digest_contents import DigestContents
from routing.model import Digest, Notification
from schemas.events.content import ContentLiked
from schemas.profile import Profile
from schemas.store.digests import MOST_SHOWN
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.gathered import like, milestone, person
from tests.routing.house import House

LIKES = {"topics": ["likes"]}


async def say(house: House, **preferences: Any) -> None:
    await PreferenceDocuments().put(house.pool, "ann", {"digest": LIKES, **preferences})


async def read(house: House) -> Digest:
    """What ann's one digest says now."""
    key: UUID = await house.pool.fetchval("SELECT id FROM digests WHERE user_id = 'ann'")
    async with house.pool.acquire() as tx, tx.transaction():
        return (await DigestContents(house.people, house.clock).load(tx, [key]))[key]


async def titles(house: House) -> list[str]:
    return [item.title for item in (await read(house)).items]


async def test_what_was_collapsed_is_one_item_with_the_title_and_count_of_the_inbox(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(actor="bob"), like(actor="cid"), like(actor="dan"), milestone())
    told = await read(mailing)
    assert {(item.title, item.count, item.topic) for item in told.items} == {
        ("dan, cid and 1 other liked your post", 3, "likes"),
        ("You reached 100 followers", 1, "milestones"),
    }
    shown = {one["id"]: one["title"] for one in await mailing.shown("ann")}
    assert shown == {str(item.notification_id): item.title for item in told.items}


async def test_what_was_read_by_then_is_left_out(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(), milestone())
    [first] = [UUID(one["id"]) for one in await mailing.shown("ann") if one["topic"] == "likes"]
    await mailing.inbox.read("ann", [first])
    assert await titles(mailing) == ["You reached 100 followers"]
    await mailing.inbox.read_all("ann")
    assert (await read(mailing)).items == ()


async def test_what_is_not_wanted_any_more_is_left_out(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(actor="bob", content="c1"), like(actor="cid", content="c2"), milestone())
    await say(mailing, muted=[{"user": "bob"}])
    assert len(await titles(mailing)) == 2
    await say(mailing, muted=[{"content": "c2"}])
    assert len(await titles(mailing)) == 2
    await say(mailing, topics={"milestones": {"email": False}})
    assert len(await titles(mailing)) == 2
    await say(mailing, channels={"email": {"enabled": False}})
    assert await titles(mailing) == []


async def test_what_is_left_out_is_noted_with_the_reason_and_taken_back_with_it(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(actor="bob", content="c1"), like(actor="cid", content="c2"), milestone())

    async def noted() -> set[tuple[str, str]]:
        await read(mailing)
        rows = await mailing.pool.fetch("SELECT topic, left_out FROM digest_items WHERE left_out IS NOT NULL")
        return {tuple(row) for row in rows}

    assert await noted() == set()
    [seen] = [UUID(one["id"]) for one in await mailing.shown("ann") if one["topic"] == "milestones"]
    await mailing.inbox.read("ann", [seen])
    await say(mailing, muted=[{"user": "bob"}])
    assert await noted() == {("milestones", "read_already"), ("likes", "muted")}
    await mailing.inbox.unread("ann", [seen])
    await say(mailing)
    assert await noted() == set()


async def test_what_is_not_in_the_inbox_is_told_from_its_event(mailing: House) -> None:
    await person(mailing.pool, "ann", topics={"milestones": {"in_app": False}})
    await mailing.told(milestone())
    assert await mailing.shown("ann") == []
    assert await titles(mailing) == ["You reached 100 followers"]
    await Users().put(mailing.pool, "ann", Profile(email="ann@example.com", locale="de"))
    assert await titles(mailing) != ["You reached 100 followers"]


async def test_what_the_log_forgot_is_told_from_the_inbox_and_what_nobody_knows_is_left_out(
    mailing: House,
) -> None:
    await person(mailing.pool, "ann", digest=LIKES, topics={"milestones": {"in_app": False}})
    await mailing.told(like(), milestone())
    await mailing.pool.execute("DELETE FROM events")
    assert await titles(mailing) == ["bob liked your post"]
    await say(mailing, topics={"likes": {"email": False}})
    assert await titles(mailing) == []


async def test_a_crowd_costs_no_more_than_a_few(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    events = [ContentLiked(content_id="c", author="ann", actor=f"u{n}") for n in range(200)]
    await mailing.told(*events)
    [item] = (await read(mailing)).items
    assert item.count == 200
    await mailing.told(*[like(content=f"d{n}") for n in range(MOST_SHOWN + 20)])
    assert len((await read(mailing)).items) == MOST_SHOWN


async def test_the_latest_come_first_and_the_mode_is_what_the_person_wants_now(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(content="c1"))
    mailing.clock.goes_on(hours=1)
    await mailing.told(milestone())
    mailing.clock.goes_on(hours=1)
    await mailing.told(like(content="c1", actor="cid"))
    told = await read(mailing)
    assert [item.topic for item in told.items] == ["likes", "milestones"]
    assert (told.mode, told.kind) == ("weekly", "scheduled")
    await say(mailing, digest={"mode": "daily"})
    assert (await read(mailing)).mode == "daily"


async def test_an_event_that_cannot_be_told_costs_no_more_than_its_own_words(
    mailing: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(), milestone())

    def said(*_: Any) -> Notification:
        raise OverflowError

    monkeypatch.setattr("routing.digest_contents.said", said)
    assert sorted(await titles(mailing)) == ["You reached 100 followers", "bob liked your post"]


async def test_what_is_told_alone_is_told_in_the_language_of_now(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like(content="c1"), like(content="c2"))
    await mailing.told(like(content="c2", actor="cid"))
    await say(mailing, locale="de", digest=LIKES)
    assert sorted(await titles(mailing)) == ["bob mag deinen Beitrag", "cid and bob liked your post"]


async def test_what_never_came_to_the_inbox_is_collapsed_all_the_same(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES, topics={"likes": {"in_app": False, "email": True}})
    await mailing.told(like())
    mailing.clock.goes_on(seconds=1)  # what is of one moment has no order
    await mailing.told(like(actor="cid"), like(actor="cid"), like(actor="dan", content="c2"))
    assert await mailing.shown("ann") == []
    told = await read(mailing)
    assert sorted((item.title, item.count) for item in told.items) == [
        ("cid and bob liked your post", 2),
        ("dan liked your post", 1),
    ]


async def test_a_digest_of_which_nothing_is_left_says_why(mailing: House) -> None:
    await person(mailing.pool, "ann", digest=LIKES)
    await mailing.told(like())
    await say(mailing, muted=[{"user": "bob"}])
    assert (await read(mailing)).left_out == "muted"
    await mailing.inbox.read_all("ann")
    assert (await read(mailing)).left_out == "read_already"
