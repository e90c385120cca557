"""Sending in sets: many calls at once, one record; what is learnt of an address holds for all that waits."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bus.tasks import cancel, spawn
from routing.errors import (
    AddressMovedError,
    DeliveryError,
    EndpointBusyError,
    MessageRejectedError,
    TransientDeliveryError,
)
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.digests import Digests, NewItem
from tests.routing.house import House
from tests.routing.post import Post, attempts, statuses, tips
from tests.routing.scripted import TELEGRAM, Plain, Scripted, ScriptedMany, with_chat
from tests.waiting import until


@pytest.fixture
async def chats(database: str, pool: Pool) -> AsyncIterator[House]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    yield house
    assert not await house.dead()
    await house.end()


async def told(house: House, *users: str) -> None:
    """Everybody's chat is called as they are."""
    for user in users:
        await with_chat(house, user, f"c-{user}")
    await house.told(*tips(users))


async def test_as_many_calls_as_the_channel_bears_are_under_way_at_once(chats: House) -> None:
    users = [f"u{n:02}" for n in range(30)]
    await told(chats, *users)
    post = Post(chats, channel := Scripted(), writer=Plain())
    await post.turn()
    assert (len(channel.asked), channel.at_once) == (20, 20)
    await post.empty()
    assert sorted(channel.asked) == [f"c-{user}" for user in users]
    assert set((await statuses(chats.pool)).values()) == {("sent", None)}


async def test_a_library_that_takes_many_is_called_once(chats: House) -> None:
    await told(chats, "ann", "bob", "cleo")
    refused = MessageRejectedError("too long")
    post = Post(
        chats,
        channel := ScriptedMany(lambda to: refused if to == "c-bob" else None),
        writer=Plain(),
    )
    await post.empty()
    assert channel.calls == [3]
    assert await statuses(chats.pool) == {
        "ann": ("sent", None),
        "bob": ("failed", "rejected"),
        "cleo": ("sent", None),
    }


async def test_before_the_calls_it_is_on_record_who_may_have_taken_them(chats: House) -> None:
    await told(chats, "ann")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await until(lambda: chats.pool.fetchval("SELECT provider = 'unkeyed' FROM deliveries"))
    assert await statuses(chats.pool) == {"ann": ("sending", None)}
    gate.set()
    await turn


async def test_what_became_of_some_is_on_record_while_others_take_long(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")

    async def bob_is() -> bool:
        return (await statuses(chats.pool))["bob"] == ("sent", None)

    await until(bob_is)
    assert (await statuses(chats.pool))["ann"] == ("sending", None)
    assert len(post.lane.held) == 1
    gate.set()
    await turn
    assert (await statuses(chats.pool))["ann"] == ("sent", None)


async def test_messages_to_one_address_keep_their_order(chats: House) -> None:
    await with_chat(chats, "ann", "c-ann")
    for actor in ("a", "b", "c"):
        await chats.told(*tips(["ann"], actor=actor))
        chats.clock.goes_on(seconds=1)
    post = Post(chats, channel := Scripted(), writer=Plain())
    await post.empty()
    assert channel.texts == [f"{actor} tipped you 5.00 HRS" for actor in ("a", "b", "c")]
    assert channel.at_once == 1


async def test_all_that_waits_for_a_busy_address_waits_longer_and_nobody_else(chats: House) -> None:
    for user in ("ann", "bob"):
        await with_chat(chats, user, f"c-{user}")
    await chats.told(*tips(["ann"] * 22), *tips(["bob"]))
    busy: DeliveryError | None = EndpointBusyError("too many requests", retry_after=timedelta(seconds=33))
    post = Post(chats, channel := Scripted(lambda to: busy if to == "c-ann" else None), writer=Plain())
    await post.empty()
    assert sorted(channel.asked) == ["c-ann", "c-bob"]
    due = await chats.pool.fetch("SELECT DISTINCT due_at, status FROM deliveries WHERE user_id = 'ann'")
    assert [tuple(row) for row in due] == [(chats.clock.now() + timedelta(seconds=33), "queued")]
    assert (await post.breaker.admit(chats.pool, chats.clock.now())).open
    busy = None
    chats.clock.goes_on(seconds=33)
    await post.empty()
    assert channel.asked.count("c-ann") == 23


async def test_a_chat_that_moved_is_followed(chats: House) -> None:
    await with_chat(chats, "ann", "c-old")
    await chats.told(*tips(["ann"] * 25))
    moved = AddressMovedError("c-new")
    post = Post(chats, channel := Scripted(lambda to: moved if to == "c-old" else None), writer=Plain())
    await post.empty()
    assert channel.asked == ["c-old"] + ["c-new"] * 25
    assert await chats.pool.fetchval("SELECT address FROM endpoints") == "c-new"
    assert await chats.pool.fetchval("SELECT count(*) FROM deliveries WHERE address = 'c-new'") == 25


async def test_what_was_refused_in_a_chat_is_refused_where_it_moved(chats: House) -> None:
    await told(chats, "ann")
    ledger, now = ConsentLedger(), chats.clock.now()
    for topic, allowed in (("marketing", False), ("follows", False), ("follows", True)):
        entry = NewConsent(channel="telegram", address="c-ann", topic=topic, allowed=allowed, source="link")
        await ledger.add(chats.pool, entry, now)
    moved = AddressMovedError("c-new")
    post = Post(chats, Scripted(lambda to: moved if to == "c-ann" else None), writer=Plain())
    await post.empty()
    places = [("telegram", "c-new")]
    assert await ledger.refused(chats.pool, places) == {("telegram", "c-new"): {"marketing"}}


async def test_an_open_digest_goes_along_to_the_chat_that_is_known(chats: House) -> None:
    await told(chats, "ann")
    await with_chat(chats, "ann", "c-new")
    old = await chats.pool.fetchval("SELECT id FROM endpoints WHERE address = 'c-ann'")
    due = chats.clock.now() + timedelta(days=1)
    item = NewItem("ann", "telegram", old, "scheduled", due, uuid7(), uuid7(), "tips")
    async with chats.pool.acquire() as tx, tx.transaction():
        await Digests().add(tx, [item], chats.clock.now())
    moved = AddressMovedError("c-new")
    post = Post(chats, Scripted(lambda to: moved if to == "c-ann" else None), writer=Plain())
    await post.empty()
    found = await chats.pool.fetch(
        "SELECT e.address, count(i.*) AS items FROM digests d JOIN endpoints e ON e.id = d.endpoint_id"
        " JOIN digest_items i ON i.digest_id = d.id GROUP BY 1"
    )
    assert [tuple(row) for row in found] == [("c-new", 1)]


async def test_a_chat_that_moved_to_a_known_one_is_given_up(chats: House) -> None:
    await told(chats, "ann")
    await with_chat(chats, "ann", "c-new")
    moved = AddressMovedError("c-new")
    post = Post(chats, Scripted(lambda to: moved if to == "c-ann" else None), writer=Plain())
    await post.empty()
    rows = await chats.pool.fetch("SELECT address, state, retired_reason FROM endpoints ORDER BY state")
    assert [tuple(row) for row in rows] == [("c-new", "active", None), ("c-ann", "retired", "moved")]
    assert await statuses(chats.pool) == {"ann": ("dropped", "no_endpoint")}


async def test_what_a_channel_fails_with_by_itself_may_have_been_taken(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, Scripted(lambda to: KeyError("sid") if to == "c-ann" else None), writer=Plain())
    await post.empty()
    assert await statuses(chats.pool) == {"ann": ("unknown", "ambiguous"), "bob": ("sent", None)}


async def test_the_probe_of_a_breaker_is_a_single_message(chats: House) -> None:
    await told(chats, *[f"u{n}" for n in range(8)])
    post = Post(chats, channel := Scripted(lambda _: TransientDeliveryError("down")), writer=Plain())
    await post.turn()
    assert len(channel.asked) == 8
    assert not (await post.breaker.admit(chats.pool, chats.clock.now())).open
    chats.clock.goes_on(minutes=1)
    await post.turn()
    assert len(channel.asked) == 9
    channel.script = lambda _: None
    chats.clock.goes_on(minutes=5)
    await post.empty()
    assert set((await statuses(chats.pool)).values()) == {("sent", None)}


async def test_when_the_process_ends_what_was_not_tried_goes_back(chats: House) -> None:
    await with_chat(chats, "ann", "c-ann")
    await chats.told(*tips(["ann", "ann", "ann"]))
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = gate = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await until(lambda: _asked(channel))
    post.lane.end()
    gate.set()
    await turn
    rows = await chats.pool.fetch("SELECT status, count(*) FROM deliveries GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in rows] == [("queued", 2), ("sent", 1)]


async def test_answers_that_came_before_the_end_are_kept(chats: House) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := Scripted(), writer=Plain())
    channel.gates["c-ann"] = asyncio.Event()
    turn = spawn(post.turn(), name="turn")
    await until(lambda: _asked(channel, 2))
    await cancel(turn)
    assert await statuses(chats.pool) == {"ann": ("sending", None), "bob": ("sent", None)}
    assert await attempts(chats.pool, "bob") == ["accepted"]


async def _asked(channel: Scripted, count: int = 1) -> bool:
    return len(channel.asked) >= count


async def test_who_is_to_end_before_the_one_call_for_many_does_not_begin_it(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(chats, "ann", "bob")
    post = Post(chats, channel := ScriptedMany(), writer=Plain())
    ready = post.first._ready  # type: ignore[attr-defined]  # the moment before the call

    async def ended(limit: int) -> object:
        found = await ready(limit)
        post.lane.end()
        return found

    monkeypatch.setattr(post.first, "_ready", ended)
    await post.turn()
    assert channel.calls == []
    assert await statuses(chats.pool) == {"ann": ("queued", None), "bob": ("queued", None)}
