"""Who is told of what: each topic of the catalogue from the published event to the inbox and the sockets."""

from typing import Any

import pytest

from schemas.events.base import Event
from schemas.events.content import (
    ContentCommented,
    ContentCreated,
    ContentLiked,
    ContentShared,
    ContentViewed,
)
from schemas.events.governance import GovernanceProposalCreated
from schemas.events.hours import HoursTipped
from schemas.events.live import LiveStarted
from schemas.events.messages import (
    ConversationCreated,
    ConversationMemberAdded,
    ConversationMemberRemoved,
    MessageSent,
)
from schemas.events.storefront import StorefrontMembershipNew, StorefrontPurchased
from schemas.events.system import MilestoneReached, SystemAnnounced
from schemas.events.users import UserFollowed, UserSubscribed, UserUnfollowed, ZoneJoined, ZoneLeft
from schemas.profile import Profile
from schemas.store.users import Users
from tests.routing.house import House

BEFORE: list[Event] = [
    UserFollowed(target="ann", actor="fay"),
    UserFollowed(target="ann", actor="gus"),
    UserUnfollowed(target="ann", actor="gus"),
    UserSubscribed(target="ann", actor="sue"),
    UserSubscribed(target="ann", actor="fay"),
    ZoneJoined(zone="z", user="zoe"),
    ZoneJoined(zone="z", user="yan"),
    ZoneLeft(zone="z", user="yan"),
    ConversationCreated(conversation_id="v", members=("ann", "bob"), actor="ann"),
    ConversationMemberAdded(conversation_id="v", user="cid"),
    ConversationMemberAdded(conversation_id="v", user="dan"),
    ConversationMemberRemoved(conversation_id="v", user="dan"),
]
MONEY: Any = {"amount_cents": 1999, "currency": "EUR"}
TOPICS: list[tuple[Event, str, str, set[str]]] = [
    (HoursTipped(to="ann", amount=500, actor="bob"), "tips", "immediate", {"ann"}),
    (StorefrontPurchased(order_id="o", seller="ann", buyer="bob", **MONEY), "sales", "immediate", {"ann"}),
    (
        StorefrontMembershipNew(creator="ann", member="bob", tier="gold", **MONEY),
        "memberships",
        "immediate",
        {"ann"},
    ),
    (LiveStarted(stream_id="s", host="ann"), "live", "immediate", {"fay", "sue"}),
    (ContentLiked(content_id="c", author="ann", actor="bob"), "likes", "standard", {"ann"}),
    (ContentCommented(content_id="c", author="ann", actor="bob", text="x"), "comments", "standard", {"ann"}),
    (ContentShared(content_id="c", author="ann", actor="bob"), "shares", "standard", {"ann"}),
    (UserFollowed(target="bob", actor="ann"), "follows", "standard", {"bob"}),
    (UserSubscribed(target="bob", actor="ann"), "subscribers", "standard", {"bob"}),
    (
        MessageSent(conversation_id="v", message_id="m", seq=1, sender="ann"),
        "messages",
        "standard",
        {"bob", "cid"},
    ),
    (
        GovernanceProposalCreated(proposal_id="p", title="t", zone="z", actor="ann"),
        "governance",
        "standard",
        {"zoe"},
    ),
    (MilestoneReached(user="ann", kind="likes", value=100), "milestones", "batch", {"ann"}),
]


@pytest.fixture
async def populated(house: House) -> House:
    await house.told(*BEFORE)
    await house.pool.execute("TRUNCATE notifications, decisions")
    await house.pushed()
    return house


@pytest.mark.parametrize(("event", "topic", "priority", "users"), TOPICS, ids=lambda one: str(one)[:12])
async def test_an_event_reaches_exactly_those_the_catalogue_names(
    populated: House, event: Event, topic: str, priority: str, users: set[str]
) -> None:
    await populated.told(event)
    rows = await populated.pool.fetch("SELECT user_id, topic, priority FROM notifications")
    assert {(row["user_id"], row["topic"], row["priority"]) for row in rows} == {
        (user, topic, priority) for user in users
    }
    pushed = await populated.pushed()
    assert {room for rooms, _, _ in pushed for room in rooms} == {f"user:{user}" for user in users}
    for rooms, name, packet in pushed:
        assert (name, packet["type"]) == ("notification.created", name)
        for room in rooms:
            assert [packet["data"]] == await populated.shown(room.removeprefix("user:"))


async def test_who_is_mentioned_and_follows_is_told_once_and_of_the_mention(populated: House) -> None:
    post = ContentCreated(
        content_id="c", author="ann", kind="post", title="t", mentions=("fay", "bob", "ann")
    )
    await populated.told(UserFollowed(target="ann", actor="gus"), post)
    rows = await populated.pool.fetch(
        "SELECT user_id, topic FROM notifications WHERE $1 = ANY(event_ids)", post.id
    )
    assert {tuple(row) for row in rows} == {("fay", "mentions"), ("bob", "mentions"), ("gus", "follows")}
    assert (await populated.reasons(post, "ann") or {})["in_app"] == ("drop", "own_action")


async def test_everyone_hears_an_announcement_and_suspended_people_when_they_are_back(
    populated: House,
) -> None:
    users = {row["id"] for row in await populated.pool.fetch("SELECT id FROM users")}
    await Users().suspend(populated.pool, "bob")
    await populated.told(SystemAnnounced(title="t", text="x"))
    rows = await populated.pool.fetch("SELECT user_id FROM notifications WHERE topic = 'announcements'")
    assert {row["user_id"] for row in rows} == users
    [(rooms, name, _)] = await populated.pushed()
    assert (len(rooms), name) == (len(users), "notification.created")


async def test_ones_own_doings_are_explained_and_not_told(house: House) -> None:
    like = ContentLiked(content_id="c", author="ann", actor="ann")
    await house.told(like)
    assert (await house.reasons(like, "ann") or {})["in_app"] == ("drop", "own_action")
    assert await house.shown("ann") == []
    assert await house.pushed() == []


async def test_what_the_catalogue_is_silent_about_leaves_nothing(house: House) -> None:
    await house.told(ContentViewed(content_id="c", author="ann", actor="bob"))
    assert not await house.pool.fetchval("SELECT count(*) FROM decisions")


async def test_names_are_those_that_people_go_by(house: House) -> None:
    await Users().put(house.pool, "bob", Profile(name="Bob Example"))
    await house.told(UserFollowed(target="ann", actor="bob"), UserFollowed(target="ann", actor="cid"))
    assert await house.titles("ann") == ["cid and Bob Example started following you"]


async def test_who_followed_before_the_post_is_told_of_it_whatever_is_handled_first(house: House) -> None:
    follow = UserFollowed(target="ann", actor="fay")
    post = ContentCreated(content_id="c", author="ann", kind="post", title="t")
    await house.publish(follow, post)
    await house.relay()
    await house.handle("router")
    assert not await house.walker.step()  # it waits for the group that knows the follower
    await house.handle("audiences")
    await house.pool.execute("UPDATE walks SET due_at = now()")
    await house.walk()
    assert await house.titles("fay") == ["ann published a post"]


async def test_a_parked_follow_is_waited_for_and_not_for_ever(house: House) -> None:
    post = ContentCreated(content_id="c", author="ann", kind="post", title="t")
    await house.publish(UserFollowed(target="ann", actor="fay"), post)
    await house.relay()
    await house.handle("audiences")
    await house.handle("router")
    await house.pool.execute(
        "INSERT INTO parked (grp, seq, partition, subject, due_at)"
        " SELECT 'audiences', seq, partition, subject, now() FROM relay_log WHERE type = 'user.followed'"
    )
    assert not await house.walker.step()
    await house.pool.execute("UPDATE walks SET due_at = now(), created_at = now() - interval '11 seconds'")
    await house.walk()
    assert await house.titles("fay") == ["ann published a post"]
    await house.pool.execute("DELETE FROM parked")


async def test_a_batch_of_events_is_told_as_if_each_came_alone(house: House) -> None:
    events: list[Event] = [
        UserFollowed(target="ann", actor="bob"),
        UserFollowed(target="ann", actor="bob"),
        UserFollowed(target="ann", actor="cid"),
        HoursTipped(to="ann", amount=1, actor="bob"),
        UserFollowed(target="ann", actor="dan"),
    ]
    await house.told(*events[:4])
    await house.told(events[4])
    follows, tip = sorted(await house.shown("ann"), key=lambda one: str(one["topic"]))
    assert (follows["count"], follows["actors"]) == (3, ["dan", "cid", "bob"])
    assert follows["title"] == "dan, cid and 1 other started following you"
    assert follows["event_ids"] == [str(events[n].id) for n in (4, 2, 1, 0)]
    assert tip["count"] == 1
    names = [name for _, name, _ in await house.pushed()]
    assert sorted(names) == ["notification.created", "notification.created", "notification.updated"]


async def test_what_came_last_of_a_batch_stands_first_in_the_inbox(house: House) -> None:
    tips = [HoursTipped(to="ann", amount=amount, actor="bob") for amount in range(1, 13)]
    await house.told(*tips)
    assert [one["event_ids"] for one in await house.shown("ann")] == [[str(tip.id)] for tip in reversed(tips)]


async def test_what_grew_last_in_a_batch_stands_first_in_the_inbox(house: House) -> None:
    order = ("c3", "c1", "c2", "c3", "c1")
    await house.told(
        *(ContentLiked(content_id=c, author="ann", actor=f"fan{n}") for n, c in enumerate(order))
    )
    house.clock.goes_on(seconds=1)
    await house.told(ContentLiked(content_id="c2", author="ann", actor="late"))
    counts = [(one["count"], one["actors"][0]) for one in await house.shown("ann")]
    assert counts == [(2, "late"), (2, "fan4"), (2, "fan3")]
