"""What is left of an erased person's events: still events of their type, without the person."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.outbox import Outbox
from schemas.db import Pool
from schemas.events.base import Event
from schemas.events.content import ContentCommented, ContentCreated, ContentLiked
from schemas.events.hours import HoursEarned, HoursTipped
from schemas.events.live import LiveStarted
from schemas.events.messages import MessageSent
from schemas.events.registry import REGISTRY
from schemas.events.users import UserFollowed, ZoneJoined
from schemas.store import erasure
from schemas.store.erasure import ERASED, LEFT_OUT, REPLACED, Erasure, erase_user, without
from tests.strategies import events_of

STANDS_FOR = "erased:0123456789abcdef"
WORDS = REPLACED | LEFT_OUT


def json_of(event: Event) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(json.dumps(event.to_wire()))
    return form


def left_of(event: Event, user: str) -> Event:
    return REGISTRY.decode(without(json_of(event), user, STANDS_FOR))


def replaced(value: object, user: str) -> object:
    if isinstance(value, tuple):
        return tuple(STANDS_FOR if one == user else one for one in value)
    return STANDS_FOR if value == user else value


@pytest.mark.parametrize("model", REGISTRY.types(), ids=lambda model: model.name)
@settings(max_examples=20)  # of each type
@given(data=st.data())
def test_an_event_loses_one_person_and_keeps_all_else(model: type[Event], data: st.DataObject) -> None:
    event = data.draw(events_of(model))
    for user in event.users():
        left = left_of(event, user)
        assert user not in left.users()
        people = model.user_members
        assert [getattr(left, m) for m in people] == [replaced(getattr(event, m), user) for m in people]
        for member in model.model_fields.keys() - WORDS - set(people) - {"source", "subject"}:
            assert getattr(left, member) == getattr(event, member)
        for member in WORDS & model.model_fields.keys():
            assert getattr(left, member) in (getattr(event, member), ERASED, None)


def members(event: Event, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(event, name) for name in names}


def test_what_merely_looks_like_the_id_stays() -> None:
    post = ContentCreated(content_id="42", author="42", kind="post", title="t", mentions=("post",), zone="42")
    left = left_of(post, "42")
    assert members(left, ("content_id", "zone", "subject", "author")) == {
        "content_id": "42",
        "zone": "42",
        "subject": "content:42",
        "author": STANDS_FOR,
    }
    left = left_of(post, "post")
    assert members(left, ("kind", "mentions")) == {"kind": "post", "mentions": (STANDS_FOR,)}
    joined = left_of(ZoneJoined(zone="eve", user="eve"), "eve")
    assert members(joined, ("zone", "subject")) == {"zone": "eve", "subject": "zone:eve"}


def test_a_subject_that_is_the_person_is_rewritten_and_one_that_ends_alike_is_not() -> None:
    assert left_of(UserFollowed(target="bob", actor="ann"), "bob").subject == f"user:{STANDS_FOR}"
    named = UserFollowed(target="team:bob", actor="bob")
    assert left_of(named, "bob").subject == "user:team:bob"


def test_the_source_is_rewritten_when_it_is_the_person() -> None:
    assert left_of(ContentLiked(content_id="c", author="ann", actor="bob", source="bob"), "bob").source == (
        STANDS_FOR
    )


@pytest.mark.parametrize(
    ("event", "user", "words"),
    [
        (ContentCommented(content_id="c", author="ann", actor="bob", text="hi"), "ann", {"text": "hi"}),
        (ContentCommented(content_id="c", author="ann", actor="bob", text="hi"), "bob", {"text": ERASED}),
        (
            ContentCreated(content_id="c", author="ann", kind="post", title="t", url="http://example.com"),
            "ann",
            {"title": ERASED, "url": None},
        ),
        (
            ContentCreated(content_id="c", author="ann", kind="post", title="t", mentions=("bob",)),
            "bob",
            {"title": "t"},
        ),
        (HoursTipped(to="bob", amount=1, note="n", actor="ann"), "bob", {"note": "n"}),
        (HoursTipped(to="bob", amount=1, note="n", actor="ann"), "ann", {"note": None}),
        (HoursEarned(user="bob", amount=1, reason="r"), "bob", {"reason": None}),
        (
            LiveStarted(stream_id="s", host="bob", title="t", playback_url="http://example.com"),
            "bob",
            {"title": ERASED, "playback_url": None},
        ),
        (
            MessageSent(conversation_id="v", message_id="m", seq=1, sender="bob", envelope="aGk="),
            "bob",
            {"envelope": None},
        ),
    ],
)
def test_only_the_words_that_the_person_spoke_are_taken(
    event: Event, user: str, words: dict[str, Any]
) -> None:
    assert members(left_of(event, user), words) == words


async def publish(pool: Pool, *events: Event) -> None:
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).add(tx, *events)


async def data_of(pool: Pool, event: Event) -> Any:
    return await pool.fetchval("SELECT data FROM events WHERE id = $1", event.id)


async def test_all_pages_of_a_person_are_rewritten_and_others_stay(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "AT_A_TIME", 2)
    own = [ContentLiked(content_id=f"c{n}", author="ann", actor="eve") for n in range(5)]
    other = ContentLiked(content_id="eve", author="ann", actor="bob")
    for event in (*own, other):
        await publish(pool, event)
    assert await erase_user(pool, "eve") == Erasure(rewritten=5, left=0)
    actors = await pool.fetch("SELECT actor, count(*) AS n FROM events GROUP BY actor ORDER BY n")
    assert [row["n"] for row in actors] == [1, 5]  # one name stands for the person everywhere
    assert (await data_of(pool, other)) == {"content_id": "eve", "author": "ann"}
    assert await pool.fetchval("SELECT count(*) FROM users WHERE id = 'eve'") == 0
    assert await erase_user(pool, "eve") == Erasure(0, 0)


async def test_events_that_this_version_cannot_read_are_left_and_counted(pool: Pool) -> None:
    known, unknown = (HoursTipped(to="eve", amount=n, actor="ann") for n in (1, 2))
    await publish(pool, known, unknown)
    await pool.execute("UPDATE events SET type = 'of.tomorrow' WHERE id = $1", unknown.id)
    assert await erase_user(pool, "eve") == Erasure(rewritten=1, left=1)
    assert (await data_of(pool, unknown))["to"] == "eve"
    await pool.execute("UPDATE events SET type = 'hours.tipped' WHERE id = $1", unknown.id)
    assert await erase_user(pool, "eve") == Erasure(rewritten=1, left=0)  # it is still found
    assert (await data_of(pool, unknown))["to"].startswith("erased:")


async def test_what_was_numbered_or_parked_forgets_the_person_too(pool: Pool) -> None:
    hers, other = UserFollowed(target="eve", actor="ann"), UserFollowed(target="bob", actor="ann")
    await publish(pool, hers, other)
    for seq, event in enumerate((hers, other), start=1):
        await pool.execute(
            "INSERT INTO relay_log (seq, partition, prev, event_id, type, subject, accepted_at, relayed_at)"
            " SELECT $1, 0, 0, id, type, subject, accepted_at, now() FROM events WHERE id = $2",
            seq,
            event.id,
        )
        await pool.execute(
            "INSERT INTO parked (grp, seq, partition, subject, due_at, error)"
            " VALUES ('g', $1, 0, $2, now(), 'user eve is odd')",
            seq,
            event.subject,
        )
    await erase_user(pool, "eve")
    subject = await pool.fetchval("SELECT subject FROM events WHERE id = $1", hers.id)
    numbered = await pool.fetch("SELECT subject FROM relay_log ORDER BY seq")
    assert [row["subject"] for row in numbered] == [subject, "user:bob"]
    parked = await pool.fetch("SELECT subject, error FROM parked ORDER BY seq")
    assert [tuple(row) for row in parked] == [(subject, ERASED), ("user:bob", "user eve is odd")]
    assert subject.startswith("user:erased:")


async def test_events_that_the_person_merely_sent_are_found(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "READ_AT_A_TIME", 2)
    sent = [ContentLiked(content_id=f"c{n}", author="ann", actor="bob", source="eve") for n in range(5)]
    named = ContentLiked(content_id="c", author="ann", actor="eve", source="eve")
    others = [ContentLiked(content_id=f"c{n}", author="ann", actor="bob", source="web") for n in range(5)]
    for pair in zip([*sent, named], [*others, HoursTipped(to="ann", amount=1, actor="bob")], strict=True):
        await publish(pool, *pair)
    assert await erase_user(pool, "eve") == Erasure(rewritten=6, left=0)
    sources = await pool.fetch("SELECT source, count(*) AS n FROM events GROUP BY 1 ORDER BY 2")
    assert [row["n"] for row in sources] == [1, 5, 6]
    assert not [row for row in sources if row["source"] == "eve"]
    assert await erase_user(pool, "eve") == Erasure(0, 0)


async def test_the_digest_of_what_was_sent_cannot_give_the_person_away(pool: Pool) -> None:
    hers, other = UserFollowed(target="eve", actor="ann"), UserFollowed(target="bob", actor="ann")
    await publish(pool, hers, other)
    await erase_user(pool, "eve")
    rows = await pool.fetch("SELECT id, length(digest) AS bytes FROM event_ids")
    assert {row["id"]: row["bytes"] for row in rows} == {hers.id: 0, other.id: 32}


def test_an_unreadable_event_is_never_answered_half_rewritten() -> None:
    broken = json_of(HoursTipped(to="eve", amount=1)) | {"id": str(uuid4())}
    broken["data"]["amount"] = "much"
    with pytest.raises(ValueError, match=r"data\.amount"):
        without(broken, "eve", STANDS_FOR)
