"""What waits in no batch: mails that were surely not taken are decided about anew before they leave."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta

import pytest

from routing.channels.base import Mail, Outcome
from routing.channels.email import EmailChannel, ResendConfig
from routing.consent import Consents, Scope
from routing.errors import (
    AmbiguousDeliveryError,
    DeliveryError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from tests.routing.house import House
from tests.routing.post import Post, attempts, statuses, tipped
from tests.simulated import Resend

HUNDRED = [f"u{n:03}" for n in range(100)]
DOWN = TransientDeliveryError("503: it is down")

Wrong = Callable[[set[str]], Exception | None]
"""Says what is wrong with a call to these people."""


class Scripted(EmailChannel):
    """Fails as a whole when a test says so."""

    wrong: Wrong
    calls: list[set[str]]
    """To whom each call was."""

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        users = {str(mail["to"][0]).partition("@")[0] for mail in mails}
        self.calls.append(users)
        if error := self.wrong(users):
            raise error
        return await super().send_batch(mails, key=key)


def well(_users: set[str]) -> None:
    """Nothing goes wrong."""


def refusing(*bad: str) -> Wrong:
    return lambda users: MessageRejectedError("422: something is wrong") if users & {*bad} else None


@pytest.fixture
async def channel(mailing: House, resend: Resend) -> AsyncIterator[Scripted]:
    config = ResendConfig(api_key="re_test", sender="hub@example.com", base_url=resend.url)
    made = Scripted(config, mailing.clock)
    made.wrong, made.calls = well, []
    yield made
    await made.close()


@pytest.fixture
def post(mailing: House, channel: Scripted) -> Post:
    return Post(mailing, channel)


async def unsubscribed(post: Post, user: str) -> None:
    scope = Scope("email", f"{user}@example.com", "tips")
    await Consents(post.clock).stop(post.pool, scope, source="link")  # type: ignore[arg-type]  # one statement


async def next_due(post: Post) -> datetime:
    found: datetime = await post.pool.fetchval("SELECT min(due_at) FROM deliveries WHERE status = 'queued'")
    return found


async def test_what_a_channel_raises_of_its_own_is_judged_and_repeated_in_its_time(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    channel.wrong = lambda _: KeyError("data")
    await tipped(post, "ann")
    for _ in range(5):
        await post.turn()
        post.clock.goes_on(minutes=20)
    gate = await post.batches.breaker.admit(post.pool, post.clock.now())
    assert gate.probe or not gate.open
    assert await attempts(post.pool, "ann") == ["ambiguous"] * len(channel.calls)
    channel.wrong = well
    await post.batches.breaker.give_back(post.pool)
    post.clock.goes_on(hours=1)
    await post.empty()
    assert [one.address for one in resend.messages] == ["ann@example.com"]
    assert len(channel.calls) == 6


async def test_who_unsubscribes_while_a_refused_call_is_parted_gets_nothing(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    channel.wrong = refusing("bad")
    await tipped(post, "ann", "bob", "cleo", "bad")
    await post.turn()
    for user in ("ann", "bob"):
        await unsubscribed(post, user)
    await post.empty()
    assert [one.address for one in resend.messages] == ["cleo@example.com"]
    found = await statuses(post.pool)
    assert [found[user] for user in ("ann", "bob")] == [("dropped", "unsubscribed")] * 2
    assert found["bad"] == ("failed", "rejected")
    assert await attempts(post.pool, "ann") == ["released", "dropped"]


async def test_who_unsubscribes_after_a_call_failed_gets_nothing(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    channel.wrong = lambda _: DOWN
    await tipped(post, "ann", "bob")
    for _ in range(2):
        await post.turn()
        post.clock.goes_on(minutes=2)
    await unsubscribed(post, "ann")
    channel.wrong = well
    await post.empty()
    assert [one.address for one in resend.messages] == ["bob@example.com"]


async def test_what_failed_in_one_call_leaves_in_one_call_again(post: Post, channel: Scripted) -> None:
    channel.wrong = lambda _: DOWN
    await tipped(post, *HUNDRED)
    await post.turn()
    channel.wrong = well
    post.clock.goes_on(seconds=30)
    await post.empty()
    assert channel.calls == [{*HUNDRED}] * 2
    assert {*(await statuses(post.pool)).values()} == {("sent", None)}


async def test_a_pause_of_a_day_costs_nothing_that_nobody_was_called_for(
    post: Post, channel: Scripted
) -> None:
    errors: list[DeliveryError] = [DOWN, QuotaExceededError("429", retry_after=timedelta(hours=24))]
    channel.wrong = lambda _: errors.pop(0) if errors else None
    await tipped(post, *HUNDRED)
    await post.turn()
    post.clock.goes_on(seconds=30)
    await post.turn()
    assert not (await post.breaker.admit(post.pool, post.clock.now())).open
    post.clock.goes_on(hours=24)
    await post.empty()
    assert {*(await statuses(post.pool)).values()} == {("sent", None)}
    assert len(channel.calls) == 3


async def test_a_mail_with_which_every_call_fails_does_not_hold_the_others(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    channel.wrong = lambda users: DOWN if "bad" in users else None
    await tipped(post, "ann", "bob", "bad")
    began = post.clock.now()
    await post.turn()
    while len(resend.messages) < 2:
        post.clock.moment = await next_due(post)
        await post.turn()
    assert post.clock.now() - began < timedelta(minutes=1)
    assert (await statuses(post.pool))["bad"] == ("queued", "unavailable")


async def test_one_at_fault_among_a_hundred_is_found_in_few_calls(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    channel.wrong = refusing("u042")
    await tipped(post, *HUNDRED)
    await post.empty()
    found = await statuses(post.pool)
    assert found.pop("u042") == ("failed", "rejected")
    assert {*found.values()} == {("sent", None)}
    assert len(resend.messages) == 99
    assert len(channel.calls) < 40


async def test_two_lanes_part_a_refused_call_together(
    mailing: House, channel: Scripted, resend: Resend
) -> None:
    bad = {f"u{n:03}" for n in range(0, 40, 8)}
    channel.wrong = refusing(*bad)
    lanes = [Post(mailing, channel) for _ in range(2)]
    await tipped(lanes[0], *(f"u{n:03}" for n in range(40)))
    while await lanes[0].lane.due():
        for one in lanes:
            await one.turn()
    found = await statuses(mailing.pool)
    assert {user for user, came in found.items() if came == ("failed", "rejected")} == bad
    assert len(resend.messages) == 35


async def test_what_an_earlier_version_stored_and_nobody_called_for_is_decided_about_anew(
    post: Post, channel: Scripted, resend: Resend
) -> None:
    for user in ("ann", "bob", "cleo"):
        await tipped(post, user)
        assert await post.batches._store(100)
    await post.pool.execute("UPDATE email_batches SET owner = NULL, lease_until = NULL, attempts = 0")
    await unsubscribed(post, "ann")
    post.clock.goes_on(hours=24)  # their key would be forgotten
    await post.empty()
    assert channel.calls == [{"bob", "cleo"}]
    assert (await statuses(post.pool))["ann"] == ("dropped", "unsubscribed")
    assert await attempts(post.pool, "bob") == ["released", "accepted"]


async def test_what_is_claimed_is_claimed_no_more_when_its_batch_does_not_come_about(
    post: Post, channel: Scripted
) -> None:
    await tipped(post, "ann")
    await post.pool.execute("ALTER TABLE email_batches ADD CONSTRAINT full_up CHECK (false)")
    with pytest.raises(Exception, match="full_up"):
        await post.turn()
    await post.pool.execute("ALTER TABLE email_batches DROP CONSTRAINT full_up")
    assert await statuses(post.pool) == {"ann": ("queued", None)}
    await post.empty()
    assert channel.calls == [{"ann"}]


async def test_what_is_not_wanted_any_more_makes_no_batch(post: Post, channel: Scripted) -> None:
    await tipped(post, "ann")
    await unsubscribed(post, "ann")
    await post.empty()
    assert channel.calls == []
    assert await post.pool.fetchval("SELECT count(*) FROM email_batches") == 0
    rows = await post.pool.fetch("SELECT status, owner, batch_id FROM deliveries")
    assert [tuple(row) for row in rows] == [("dropped", None, None)]


def ending_after(post: Post, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the lane to end just before its call."""
    taken = getattr(post.batches, step)

    async def ended(*given: int) -> object:
        found = await taken(*given)
        post.lane.end()
        return found

    monkeypatch.setattr(post.batches, step, ended)


async def test_who_is_to_end_before_a_call_dissolves_its_batch(
    post: Post, channel: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tipped(post, "ann")
    ending_after(post, "_store", monkeypatch)
    await post.turn()
    assert channel.calls == []
    assert await statuses(post.pool) == {"ann": ("queued", None)}
    other = Post(post.house, channel)
    await other.empty()
    assert channel.calls == [{"ann"}]
    assert await attempts(post.pool, "ann") == ["released", "accepted"]


async def test_who_is_to_end_before_a_repeat_leaves_it_to_others_at_once(
    post: Post, channel: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tipped(post, "ann")
    channel.wrong = lambda _: AmbiguousDeliveryError("no answer")
    await post.turn()
    post.clock.goes_on(minutes=1)
    ending_after(post, "_left", monkeypatch)
    await post.turn()
    assert channel.calls == [{"ann"}]
    channel.wrong = well
    other = Post(post.house, channel)
    await other.turn()
    assert channel.calls == [{"ann"}] * 2
    assert await attempts(post.pool, "ann") == ["ambiguous", "accepted"]
