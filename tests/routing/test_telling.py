"""What is written when people are told: one decision each, deliveries where something is to be sent."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.choices import Choices
from routing.decide import decide
from routing.members import CHANNELS
from routing.model import Endpoint, Notification, Recipient
from routing.people import parsed
from routing.preferences import DEFAULT
from schemas.db import Pool
from schemas.events.content import ContentCreated, ContentLiked
from schemas.events.hours import HoursTipped
from schemas.events.users import UserFollowed
from schemas.ids import uuid7
from schemas.profile import Profile
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.endpoints import Endpoints, NewEndpoint
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users
from tests.routing.house import FakeClock, House

NIGHT: dict[str, Any] = {
    "quiet_hours": {"enabled": True, "tz": "UTC", "windows": [{"from": "11:00", "to": "13:00"}]}
}


@pytest.fixture
def sending(house: House) -> House:
    """A house whose deployment can send on every channel."""
    house.teller._channels = frozenset(CHANNELS)
    return house


async def reachable(house: House, user: str, channel: str = "push") -> UUID:
    endpoint = NewEndpoint(
        id=uuid7(), user_id=user, channel=channel, address=f"{user}-{channel}", state="active"
    )
    return (await Endpoints().put(house.pool, endpoint, house.clock.now())).id


async def deliveries(pool: Pool) -> list[tuple[str, str, str, str | None]]:
    rows = await pool.fetch("SELECT user_id, channel, status, reason FROM deliveries ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def test_what_is_to_be_sent_is_queued_and_what_waits_is_held(sending: House) -> None:
    for user in ("ann", "bob", "cid"):
        await reachable(sending, user)
    await PreferenceDocuments().put(sending.pool, "bob", NIGHT)
    await PreferenceDocuments().put(sending.pool, "cid", {"channels": {"push": {"enabled": False}}})
    tips = [HoursTipped(to=user, amount=1, actor="dan") for user in ("ann", "bob", "cid", "dave")]
    await sending.told(*tips)
    assert await deliveries(sending.pool) == [
        ("ann", "push", "queued", None),
        ("bob", "push", "held", "quiet_hours"),
    ]
    due = await sending.pool.fetchval("SELECT due_at FROM deliveries WHERE user_id = 'bob'")
    assert due == sending.clock.now() + timedelta(hours=1)
    assert (await sending.reasons(tips[2], "cid") or {})["push"] == ("drop", "channel_off")
    assert (await sending.reasons(tips[3], "dave") or {})["push"] == ("drop", "no_endpoint")
    assert [len(await sending.shown(user)) for user in ("ann", "bob", "cid", "dave")] == [1] * 4


async def test_a_deployment_sends_only_on_channels_it_has(house: House) -> None:
    await reachable(house, "ann")
    tip = HoursTipped(to="ann", amount=1, actor="bob")
    await house.told(tip)
    assert await deliveries(house.pool) == []
    assert (await house.reasons(tip, "ann") or {})["push"] == ("drop", "no_endpoint")


async def test_a_refusal_wins(sending: House) -> None:
    await Users().put(sending.pool, "ann", Profile(email="ann@example.com"))
    refused = NewConsent(
        channel="email", address="ann@example.com", topic="tips", allowed=False, source="link"
    )
    await ConsentLedger().add(sending.pool, refused, sending.clock.now())
    tip = HoursTipped(to="ann", amount=1, actor="bob")
    await sending.told(tip)
    assert await deliveries(sending.pool) == []
    assert (await sending.reasons(tip, "ann") or {})["email"] == ("drop", "unsubscribed")


async def test_without_in_app_there_is_no_notification_and_yet_a_decision(sending: House) -> None:
    await reachable(sending, "ann")
    await PreferenceDocuments().put(sending.pool, "ann", {"topics": {"likes": {"in_app": False}}})
    like = ContentLiked(content_id="c", author="ann", actor="bob")
    await sending.told(like)
    assert (await sending.shown("ann"), await sending.pushed()) == ([], [])
    assert (await sending.reasons(like, "ann") or {})["in_app"] == ("drop", "topic_off")
    assert await deliveries(sending.pool) == [("ann", "push", "queued", None)]


async def test_each_event_of_a_notification_that_grows_names_that_notification(sending: House) -> None:
    await reachable(sending, "ann")
    for actor in ("bob", "cid"):
        await sending.told(ContentLiked(content_id="c", author="ann", actor=actor))
    [shown] = await sending.shown("ann")
    for table in ("decisions", "deliveries"):
        rows = await sending.pool.fetch(f"SELECT notification_id::text AS id FROM {table}")
        assert [row["id"] for row in rows] == [shown["id"]] * 2


async def test_a_walk_writes_deliveries_too_each_with_its_own_endpoint(sending: House) -> None:
    followers = [f"u{n}" for n in range(20)]
    await sending.told(*(UserFollowed(target="ann", actor=user) for user in followers))
    wanted = {user: await reachable(sending, user) for user in followers}
    post = ContentCreated(content_id="c", author="ann", kind="post", title="t")
    await sending.told(post)
    rows = await sending.pool.fetch(
        "SELECT user_id, endpoint_id FROM deliveries WHERE event_id = $1", post.id
    )
    assert {row["user_id"]: row["endpoint_id"] for row in rows} == wanted
    rows = await sending.pool.fetch("SELECT user_id, decided FROM decisions WHERE event_id = $1", post.id)
    decided = {row["user_id"]: [one["endpoint"] for one in row["decided"] if one["endpoint"]] for row in rows}
    assert decided == {user: [str(endpoint)] for user, endpoint in wanted.items()}


async def test_preferences_that_cannot_be_read_keep_nobody_from_hearing(house: House) -> None:
    await PreferenceDocuments().put(house.pool, "ann", {"of": "tomorrow"})
    await house.told(HoursTipped(to="ann", amount=1, actor="bob"))
    assert len(await house.shown("ann")) == 1


DOCUMENTS = (b"{}", orjson.dumps(NIGHT), b'{"topics":{"tips":{"push":false}}}', b'{"muted":[{"user":"bob"}]}')


@st.composite
def recipients(draw: st.DrawFn) -> Recipient:
    endpoints = tuple(
        Endpoint(id=uuid7(), channel=channel, address="a")
        for channel in draw(st.lists(st.sampled_from(CHANNELS[1:]), max_size=3))
    )
    document = draw(st.sampled_from([None, *DOCUMENTS]))
    return Recipient(
        user=draw(st.sampled_from(["ann", "bob", "cid"])),
        preferences=DEFAULT if document is None else parsed(document),
        tz=draw(st.sampled_from([None, "Asia/Tokyo"])),
        endpoints=endpoints,
        refused={one.id: frozenset({""}) for one in endpoints if draw(st.booleans())},
        blocked=draw(st.sampled_from([frozenset(), frozenset({"bob"})])),
        mailed_at=draw(st.sampled_from([None, FakeClock().now()])),
    )


@given(st.lists(recipients(), max_size=12))
def test_deciding_for_many_is_deciding_for_each(people: list[Recipient]) -> None:
    now = FakeClock().now()
    tip = Notification(event_id=uuid7(), topic="tips", priority="immediate", title="t", actor="bob")
    choices = Choices(tip, now, CHANNELS)
    for to in people:
        choice, wanted = choices.of(to), decide(tip, to, now, CHANNELS)
        said = [*choice.general, *choice.of_endpoints]
        assert [(one.action, one.until) for one in said] == [(one.action, one.until) for one in wanted]
        stored = orjson.loads(orjson.dumps(choice.stored(to)))
        assert [(one["channel"], one["endpoint"], one["action"], one["reason"]) for one in stored] == [
            (one.channel, one.endpoint and str(one.endpoint), one.action, one.reason) for one in wanted
        ]
        assert choice.in_app == any(one.channel == "in_app" and one.action == "send" for one in wanted)
