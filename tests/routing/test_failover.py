"""A second provider takes over when the first is left alone; nothing ever goes to both."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from time import monotonic
from typing import ClassVar

import pytest

from bus.tasks import spawn
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import ChannelKind
from schemas.db import Pool
from tests.routing.house import House
from tests.routing.post import Post, email_at, statuses, tipped, tips, with_address
from tests.routing.scripted import TELEGRAM, Keyed, Plain, Scripted, with_chat
from tests.simulated import Resend
from tests.waiting import until

DOWN = TransientDeliveryError("it is down")


@pytest.fixture
async def chats(database: str, pool: Pool) -> AsyncIterator[House]:
    house = await House(database, pool, channels=TELEGRAM).begin()
    yield house
    assert not await house.dead()
    await house.end()


class Smtp(Scripted):
    """A mail server beside Resend."""

    kind: ClassVar[ChannelKind] = "email"

    def __init__(self) -> None:
        super().__init__(provider="smtp")


async def told(house: House, *users: str) -> None:
    for user in users:
        await with_chat(house, user, f"c-{user}")
    await house.told(*tips(users))


async def test_the_second_takes_over_when_the_breaker_of_the_first_opens(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    assert (len(first.asked), second.asked) == (3, [])
    await told(chats, "d")
    await post.turn()
    assert second.asked == ["c-d"]
    chats.clock.goes_on(seconds=1)  # the breaker rests, and what failed does not wait for its end
    await post.empty()
    assert sorted(second.asked) == ["c-a", "c-b", "c-c", "c-d"]
    rows = await chats.pool.fetch("SELECT DISTINCT provider FROM deliveries WHERE status = 'sent'")
    assert [row["provider"] for row in rows] == ["second"]


async def test_after_both_failed_for_a_moment_nothing_waits_for_an_hour(chats: House) -> None:
    first, second = (Scripted(lambda _: DOWN, provider=name) for name in ("first", "second"))
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a")
    for _ in range(10):
        if second.asked:
            break
        await post.turn()
        chats.clock.goes_on(seconds=1)
    assert second.asked
    wait = await chats.pool.fetchval("SELECT due_at FROM deliveries") - chats.clock.now()
    assert wait < timedelta(seconds=20)


async def test_what_is_alone_is_not_held_up_by_a_first_that_fails(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a")
    for _ in range(4):
        await post.turn()
        chats.clock.goes_on(seconds=1)
    assert (len(first.asked), second.asked) == (3, ["c-a"])  # so many failures open the breaker


async def test_a_probe_that_fails_goes_to_the_second_at_once(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    chats.clock.goes_on(seconds=1)
    await post.empty()
    chats.clock.goes_on(minutes=1)
    second.asked.clear()
    await told(chats, "probe")
    await post.turn()
    assert first.asked[-1] == "c-probe"
    chats.clock.goes_on(seconds=1)
    await post.turn()
    assert second.asked == ["c-probe"]


async def test_what_the_first_surely_refused_the_second_may_send(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    chats.clock.goes_on(seconds=60)
    await post.turn()  # the probe fails as well
    chats.clock.goes_on(seconds=1)
    await post.empty()
    assert set((await statuses(chats.pool)).values()) == {("sent", None)}
    assert (len(first.asked), len(second.asked)) == (3 + 1, 3)


async def test_a_misconfigured_account_hands_over_at_once(chats: House) -> None:
    wrong = ChannelMisconfiguredError("the key is wrong")
    first, second = Scripted(lambda _: wrong, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b")
    await post.turn()
    await post.turn()
    assert (len(first.asked), len(second.asked)) == (2, 2)


async def test_what_hit_a_spent_quota_does_not_wait_for_it_where_another_can_send(chats: House) -> None:
    spent = QuotaExceededError("no more today", retry_after=timedelta(hours=1))
    first, second = Scripted(lambda _: spent, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b")
    for _ in range(2):
        await post.turn()
    assert set((await statuses(chats.pool)).values()) == {("sent", None)}
    assert (len(first.asked), len(second.asked)) == (2, 2)


async def test_what_hit_a_spent_quota_is_kept_where_no_other_can_send(
    chats: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = QuotaExceededError("no more today", retry_after=timedelta(hours=1))
    post = Post(chats, only := Scripted(lambda _: spent), writer=Plain())
    await told(chats, "a")
    await post.turn()
    monkeypatch.setattr("routing.lanes.SHUT_S", waited := 0.2)
    began = monotonic()
    for _ in range(2):
        await post.turn()
    assert monotonic() - began >= 2 * waited  # whoever looks again does so seldom
    row = await chats.pool.fetchrow("SELECT status, reason, due_at, attempts FROM deliveries")
    assert row is not None
    assert tuple(row) == ("queued", "quota", chats.clock.now(), 0)
    only.script = lambda _: None
    chats.clock.goes_on(hours=1)
    await post.empty()
    assert (len(only.asked), await statuses(chats.pool)) == (2, {"a": ("sent", None)})


async def test_who_meets_a_spent_quota_again_and_again_asks_less_and_less_often(chats: House) -> None:
    spent = QuotaExceededError("too many", retry_after=timedelta(seconds=1))
    post = Post(chats, only := Scripted(lambda _: spent), writer=Plain())
    await told(chats, "a")
    for _ in range(600):
        if await post.lane.due():
            await post.turn()
        chats.clock.goes_on(seconds=1)
    assert 10 < len(only.asked) < 25  # of 600 that the provider would have borne
    only.script = lambda _: None
    chats.clock.goes_on(seconds=75)
    await post.empty()
    assert await statuses(chats.pool) == {"a": ("sent", None)}


@pytest.mark.parametrize("keyed", [False, True])
async def test_what_the_first_may_have_taken_never_goes_to_the_second(chats: House, keyed: bool) -> None:
    error: DeliveryError | None = AmbiguousDeliveryError("no answer")
    first = (Keyed if keyed else Scripted)(lambda _: error, provider="first")
    second = Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    for _ in range(3):  # not even while the first is left alone
        assert await chats.pool.execute("UPDATE provider_state SET opened_at = $1", chats.clock.now())
        chats.clock.goes_on(seconds=14)
        await post.turn()
    assert second.asked == []
    error = None
    chats.clock.goes_on(minutes=10)
    await post.empty()
    assert second.asked == []
    expected = ("sent", None) if keyed else ("unknown", "ambiguous")
    assert set((await statuses(chats.pool)).values()) == {expected}


async def test_an_open_batch_stays_with_its_provider(mailing: House, resend: Resend) -> None:
    channel, server = email_at(resend.url, mailing.clock, call_s=1.5), Smtp()
    post = Post(mailing, channel, server)
    resend.behave("timeout_after", times=1)
    await tipped(post, "ann")
    await post.turn()
    await post.pool.execute("UPDATE provider_state SET failures = 3, opened_at = $1", mailing.clock.now())
    mailing.clock.goes_on(seconds=14)
    await with_address(post.pool, "bob")
    await mailing.told(*tips(["bob"]))
    await post.turn()
    await post.turn()
    assert server.asked == ["bob@example.com"]
    assert (await statuses(post.pool))["ann"] == ("sending", None)
    mailing.clock.goes_on(seconds=60)
    await post.empty()
    await channel.close()
    assert [one.address for one in resend.messages] == ["ann@example.com"]
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("sent", None)}


async def test_the_preferred_one_is_back_as_soon_as_its_probe_succeeds(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    first.script = lambda _: None
    chats.clock.goes_on(seconds=15)
    await told(chats, "d")
    await post.turn()
    chats.clock.goes_on(minutes=2)
    await post.empty()
    assert second.asked == []
    assert len(first.asked) == 3 + 4


async def test_a_provider_that_two_channels_may_not_share_is_paused_alone(chats: House) -> None:
    first, second = Scripted(lambda _: DOWN, provider="first"), Scripted(provider="second")
    post = Post(chats, first, second, writer=Plain())
    await told(chats, "a", "b", "c")
    await post.turn()
    gates = [await one.admit(chats.pool, chats.clock.now() + timedelta(seconds=1)) for one in post.breakers]
    assert [gate.open for gate in gates] == [False, True]


async def test_of_two_mails_on_their_way_at_once_one_waits_whoever_sends_them(
    mailing: House, resend: Resend
) -> None:
    await with_address(mailing.pool, "ann")
    await mailing.told(*tips(["ann"], actor="bob"))
    first, second = Smtp(), Smtp()
    first.gates["ann@example.com"] = gate = asyncio.Event()
    sending = spawn(Post(mailing, first).turn(), name="turn")
    await until(lambda: mailing.pool.fetchval("SELECT status = 'sending' FROM deliveries"))
    await mailing.told(*tips(["ann"], actor="cid"))
    await Post(mailing, second).turn()
    await mailing.told(*tips(["ann"], actor="dan"))
    channel = email_at(resend.url, mailing.clock)
    await Post(mailing, channel).turn()
    await channel.close()
    gate.set()
    await sending
    assert (first.asked, second.asked, resend.messages) == (["ann@example.com"], [], [])
    rows = await mailing.pool.fetch("SELECT status, reason FROM deliveries ORDER BY created_at, id")
    assert [tuple(row) for row in rows] == [("sent", None), *[("dropped", "email_spacing")] * 2]
    assert await mailing.pool.fetchval("SELECT count(*) FROM digest_items") == 2
