"""What is counted of deliveries that ended without reaching anybody, and of what a provider took."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from bus.telemetry import ATTEMPTS, DECISIONS, UNSENT
from routing.channels.base import Receipt, Rendered, UnwritableError
from routing.dispatcher import Sender
from routing.errors import (
    AmbiguousDeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    TransientDeliveryError,
)
from routing.model import Content, Endpoint, Recipient
from schemas.clock import SystemClock
from tests.routing.gathered import close, milestone, person
from tests.routing.house import House
from tests.routing.post import Post, attempts, dispatching, statuses, tipped, tips, with_address
from tests.routing.scripted import Plain, Scripted
from tests.simulated import Resend
from tests.waiting import until

Counted = Callable[[], float]


class Speechless:
    """Can write nothing."""

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        raise UnwritableError("no words")


def value(counter: object, *labels: str) -> float:
    found: float = counter.labels(*labels)._value.get()  # type: ignore[attr-defined]  # as the library keeps it
    return found


def more(counter: object, *labels: str) -> Counted:
    """How much more is counted than at this moment."""
    before = value(counter, *labels)
    return lambda: value(counter, *labels) - before


async def test_what_cannot_be_written_is_counted_as_unsent_and_not_as_sent(chatting: House) -> None:
    unsent = more(UNSENT, "telegram", "failed", "unrenderable")
    sent = more(DECISIONS, "sending", "telegram", "send", "preferences")
    await Post(chatting, Scripted(), writer=Speechless()).empty()
    assert await statuses(chatting.pool) == {"ann": ("failed", "unrenderable")}
    assert (unsent(), sent()) == (1, 0)


async def test_what_cannot_be_read_is_counted_as_unsent(chatting: House) -> None:
    unsent = more(UNSENT, "telegram", "failed", "unreadable")
    await chatting.pool.execute("UPDATE events SET data = '{}'")
    await Post(chatting, Scripted(), writer=Plain()).empty()
    assert await statuses(chatting.pool) == {"ann": ("failed", "unreadable")}
    assert unsent() == 1


async def test_what_retention_has_taken_is_counted_as_dropped(chatting: House) -> None:
    dropped = more(DECISIONS, "sending", "telegram", "drop", "expired")
    await chatting.pool.execute("DELETE FROM events")
    await Post(chatting, Scripted(), writer=Plain()).empty()
    assert await statuses(chatting.pool) == {"ann": ("dropped", "expired")}
    assert dropped() == 1


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (MessageRejectedError("no"), "failed", "rejected"),
        (AmbiguousDeliveryError("no answer"), "unknown", "ambiguous"),
    ],
)
async def test_what_a_provider_refuses_or_leaves_open_is_counted(
    chatting: House, error: Exception, status: str, reason: str
) -> None:
    unsent = more(UNSENT, "telegram", status, reason)
    await Post(chatting, Scripted(lambda _: error), writer=Plain()).empty()
    assert await statuses(chatting.pool) == {"ann": (status, reason)}
    assert unsent() == 1


async def test_what_an_address_that_is_gone_would_have_got_is_counted_with_no_call_for_it(
    chatting: House,
) -> None:
    unsent = more(UNSENT, "telegram", "failed", "gone")
    await chatting.told(*tips(["ann"], actor="eve"))
    channel = Scripted(lambda _: EndpointGoneError("blocked"))
    await Post(chatting, channel, writer=Plain()).empty()
    assert (channel.asked, unsent()) == (["42"], 2)


async def test_what_is_given_up_after_a_day_is_counted(chatting: House) -> None:
    unsent = more(UNSENT, "telegram", "failed", "gave_up")
    pool = chatting.pool
    post = Post(chatting, Scripted(lambda _: TransientDeliveryError("down")), writer=Plain())
    while due := await pool.fetchval("SELECT due_at FROM deliveries WHERE status = 'queued'"):
        post.clock.moment = max(due, post.clock.now() + timedelta(seconds=15))  # the breaker has rested
        await post.turn()
    assert await statuses(pool) == {"ann": ("failed", "gave_up")}
    assert unsent() == 1


async def test_what_a_dead_dispatcher_left_without_a_key_is_counted(chatting: House, database: str) -> None:
    unsent, pool = more(UNSENT, "telegram", "unknown", "lease_ran_out"), chatting.pool
    chatting.clock.moment = SystemClock().now() - timedelta(minutes=1)
    await pool.execute("UPDATE deliveries SET due_at = $1", chatting.clock.now())
    assert await Post(chatting, Scripted(), writer=Plain()).first._ready(5)  # type: ignore[attr-defined]  # the moment before the calls
    sender = Sender(channels=(Scripted(),), writer=Plain())
    async with dispatching(database, pool, "", SystemClock(), sender=sender):
        await until(lambda: _counted(unsent))
    assert await statuses(pool) == {"ann": ("unknown", "lease_ran_out")}
    assert unsent() == 1


async def test_what_waits_for_a_provider_that_is_gone_is_counted(chatting: House, database: str) -> None:
    unsent, pool = more(UNSENT, "telegram", "unknown", "provider_removed"), chatting.pool
    old = chatting.clock.now() - timedelta(days=2)
    await pool.execute("UPDATE deliveries SET provider = 'of another day', updated_at = $1", old)
    sender = Sender(channels=(Scripted(),), writer=Plain())
    async with dispatching(database, pool, "", chatting.clock, sender=sender):
        await until(lambda: _counted(unsent))
    assert await statuses(pool) == {"ann": ("unknown", "provider_removed")}
    assert await attempts(pool, "ann") == ["provider_removed"]
    assert unsent() == 1


@pytest.mark.parametrize("everything", [False, True])
async def test_what_was_read_before_it_was_sent_is_counted(chatting: House, everything: bool) -> None:
    dropped = more(UNSENT, "telegram", "dropped", "read_already")
    await chatting.told(*tips(["ann"], actor="eve"))
    found = [one.id for one in (await chatting.inbox.page("ann")).items]
    if everything:
        await chatting.inbox.read_all("ann")
    else:
        await chatting.inbox.read("ann", found)
    assert dropped() == 2
    await chatting.inbox.unread("ann", found)
    await chatting.inbox.read_all("ann")
    assert dropped() == 2


async def _counted(unsent: Counted) -> bool:
    return unsent() > 0


async def test_a_digest_that_is_lost_when_it_is_due_is_counted(mailing: House) -> None:
    unsent = more(UNSENT, "email", "dropped", "no_endpoint")
    await person(mailing.pool, "ann")
    await mailing.told(milestone())
    await mailing.pool.execute("UPDATE endpoints SET state = 'retired'")
    mailing.clock.goes_on(days=8)
    await close(mailing)
    assert unsent() == 1


async def test_a_mail_that_is_put_into_a_digest_is_counted_as_that(post: Post) -> None:
    gathered = more(DECISIONS, "sending", "email", "digest", "email_spacing")
    await with_address(post.pool, "ann")
    await post.house.told(*tips(["ann", "ann"]))
    await post.empty()
    assert gathered() == 1


async def test_a_provider_that_has_taken_nothing_yet_counts_none_instead_of_nothing(chatting: House) -> None:
    """Of a provider that takes nothing, the share must be 0, which the alert sees."""
    Post(chatting, Scripted(provider="never"), writer=Plain())
    found = {
        sample.labels["outcome"]: sample.value
        for metric in ATTEMPTS.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["provider"] == "never"
    }
    assert found == {"accepted": 0}


async def test_what_is_in_a_batch_for_a_provider_that_is_gone_is_counted(
    post: Post, database: str, resend: Resend
) -> None:
    unsent = more(UNSENT, "email", "unknown", "provider_removed")
    await tipped(post, "ann", "bob")
    assert await post.batches._store(100)
    old = post.clock.now() - timedelta(days=2)
    await post.pool.execute(
        "UPDATE email_batches SET provider = 'of another day', created_at = $1, lease_until = $1", old
    )
    async with dispatching(database, post.pool, resend.url, post.clock):
        await until(lambda: _counted(unsent))
    assert {*(await statuses(post.pool)).values()} == {("unknown", "provider_removed")}
    assert unsent() == 2


async def test_what_came_of_a_batch_is_counted_by_who_has_it_alone(post: Post) -> None:
    accepted = more(ATTEMPTS, "email", "resend", "accepted")
    unsent = more(UNSENT, "email", "unknown", "gave_up")
    await tipped(post, "ann")
    batch = await post.batches._store(100)
    assert batch
    await post.pool.execute("UPDATE email_batches SET owner = 'another'")
    await post.batches._settle(batch, [Receipt("1")])
    await post.batches._give_up(batch)
    assert (accepted(), unsent()) == (0, 0)
