"""Sending in trouble: what fails is tried again, given up or left open, and holds nothing else up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

import pytest

from ops.simulators.base import Mode
from routing.channels.base import Mail, Outcome, Rendered
from routing.channels.email import EmailChannel, ResendConfig
from routing.errors import AmbiguousDeliveryError, MessageRejectedError
from routing.model import Content, Endpoint, Recipient
from schemas.store.erasure import erase_user
from schemas.store.providers import Gate
from tests.routing.house import House
from tests.routing.post import (
    MAILS,
    Post,
    attempts,
    email_at,
    statuses,
    tipped,
    tips,
    with_address,
)
from tests.simulated import Resend
from tests.waiting import until


async def test_a_refused_mail_does_not_stop_the_others(post: Post, resend: Resend) -> None:
    resend.behave("reject", "bob@example.com")
    await tipped(post, "ann", "bob")
    await post.empty()
    assert [one.address for one in resend.messages] == ["ann@example.com"]
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("failed", "rejected")}


@pytest.mark.parametrize("mode", ["quota", "timeout"])
async def test_a_mail_that_is_not_taken_now_beside_others_comes_again(
    post: Post, resend: Resend, mode: Mode
) -> None:
    resend.behave(mode, "bob@example.com")
    await tipped(post, "ann", "bob")
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("queued", "unavailable")}
    resend.behave("ok")
    post.clock.goes_on(seconds=20)
    await post.empty()
    assert await attempts(post.pool, "bob") == ["unavailable", "accepted"]
    assert sorted(one.address for one in resend.messages) == ["ann@example.com", "bob@example.com"]


async def test_silence_after_the_call_is_repeated_unchanged_and_taken_once(
    post: Post, resend: Resend
) -> None:
    resend.behave("timeout_after", times=1)
    await tipped(post, "ann", "bob")
    await post.turn()
    assert await statuses(post.pool) == {"ann": ("sending", None), "bob": ("sending", None)}
    assert not await post.lane.due()
    post.clock.goes_on(seconds=10)
    await post.empty()
    assert len(resend.messages) == 2
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("sent", None)}
    assert await attempts(post.pool, "ann") == ["ambiguous", "accepted"]


async def test_a_provider_that_is_down_is_tried_later_each_time(post: Post, resend: Resend) -> None:
    resend.behave("down")
    await tipped(post, "ann")
    waits = []
    for _ in range(2):
        await post.turn()
        due = await post.pool.fetchval("SELECT due_at FROM deliveries")
        waits.append((due - post.clock.now()).total_seconds())
        post.clock.moment = due
    assert 10 <= waits[0] <= 20
    assert 30 <= waits[1] <= 60
    resend.behave("ok")
    await post.empty()
    assert await attempts(post.pool, "ann") == ["unavailable", "unavailable", "accepted"]


async def test_after_a_day_of_failures_it_is_given_up(post: Post, resend: Resend) -> None:
    resend.behave("down")
    await tipped(post, "ann")
    began = post.clock.now()
    while await post.pool.fetchval("SELECT count(*) FROM deliveries WHERE status = 'queued'"):
        due = await post.pool.fetchval("SELECT due_at FROM deliveries")
        post.clock.moment = max(due, post.clock.now() + timedelta(seconds=15))  # the breaker has rested
        await post.turn()
    assert await statuses(post.pool) == {"ann": ("failed", "gave_up")}
    assert timedelta(hours=24) <= post.clock.now() - began < timedelta(hours=24, minutes=1)


async def test_a_batch_whose_fate_stays_open_is_given_up_when_its_key_is_forgotten(
    post: Post, resend: Resend
) -> None:
    resend.behave("timeout_after", times=1)
    await tipped(post, "ann")
    await post.turn()
    post.clock.goes_on(hours=24)
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("unknown", "gave_up")}
    assert len(resend.messages) == 1


async def test_a_spent_quota_pauses_everybody_until_it_is_free_again(post: Post, resend: Resend) -> None:
    resend.behave("quota", times=1)
    await tipped(post, "ann")
    await post.turn()
    assert await statuses(post.pool) == {"ann": ("queued", "quota")}
    await with_address(post.pool, "bob")
    await post.house.told(*tips(["bob"]))
    assert not (await post.breaker.admit(post.pool, post.clock.now())).open
    post.clock.goes_on(seconds=5)
    await post.empty()
    assert sorted(one.address for one in resend.messages) == ["ann@example.com", "bob@example.com"]


async def test_a_wrong_key_keeps_the_work_and_a_restart_tries_again(mailing: House, resend: Resend) -> None:
    wrong = email_at(resend.url, mailing.clock, api_key="wrong")
    post = Post(mailing, wrong)
    await tipped(post, "ann")
    await post.turn()
    await wrong.close()
    assert await statuses(post.pool) == {"ann": ("queued", "misconfigured")}
    assert not (await post.breaker.admit(post.pool, mailing.clock.now())).open
    right = Post(mailing, channel := email_at(resend.url, mailing.clock))
    await right.breaker.begin(mailing.pool)
    await right.empty()
    await channel.close()
    assert len(resend.messages) == 1


async def test_the_breaker_opens_after_failures_and_one_probe_closes_it(post: Post, resend: Resend) -> None:
    resend.behave("down")
    await tipped(post, "ann")
    now = post.clock.now
    for _ in range(3):
        await post.turn()
        post.clock.moment = await post.pool.fetchval("SELECT due_at FROM deliveries")
        opened = await post.pool.fetchval("SELECT opened_at FROM provider_state")
    assert opened is not None
    gates = [await post.breaker.admit(post.pool, opened) for _ in range(2)]
    assert [gate.open for gate in gates] == [False, False]
    rested = max(now(), opened + timedelta(seconds=15))
    gates = [await post.breaker.admit(post.pool, rested) for _ in range(3)]
    assert [(gate.open, gate.probe) for gate in gates] == [(True, True), (False, False), (False, False)]
    await post.breaker.succeeded(post.pool)
    assert (await post.breaker.admit(post.pool, rested)).open


async def test_a_batch_left_by_a_dead_dispatcher_is_repeated_by_another(
    post: Post, mailing: House, resend: Resend
) -> None:
    await tipped(post, "ann", "bob")
    batch = await post.batches._store(100)  # the moment before the call
    assert batch
    await post.batches._many.send_batch(batch.mails, key=str(batch.id))  # and after
    other = Post(mailing, channel := email_at(resend.url, mailing.clock))
    assert not await other.lane.due()
    await until(other.lane.due)  # the lease ran out
    await other.empty()
    await channel.close()
    assert len(resend.messages) == 2
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("sent", None)}
    assert await attempts(post.pool, "ann") == ["ambiguous", "accepted"]


async def test_an_answer_that_comes_too_late_changes_nothing(
    post: Post, mailing: House, resend: Resend
) -> None:
    await tipped(post, "ann")
    batch = await post.batches._store(100)  # the call takes longer than the lease
    other = Post(mailing, channel := email_at(resend.url, mailing.clock))
    await until(other.lane.due)
    await other.empty()
    await channel.close()
    assert batch
    await post.batches._send(batch, Gate(True))  # it is back
    assert len(resend.messages) == 1
    assert await attempts(post.pool, "ann") == ["ambiguous", "accepted"]


class Picky(EmailChannel):
    """Refuses a whole call for one of its mails."""

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        if any(mail["to"] == ["u5@example.com"] for mail in mails):
            raise MessageRejectedError("something is wrong with some of these")
        return await super().send_batch(mails, key=key)


async def test_a_refused_call_is_parted_until_the_fault_is_found(mailing: House, resend: Resend) -> None:
    users = [f"u{n}" for n in range(8)]
    config = ResendConfig(api_key="re_test", sender="hub@example.com", base_url=resend.url)
    post = Post(mailing, channel := Picky(config, mailing.clock))
    await tipped(post, *users)
    await post.empty()
    await channel.close()
    found = await statuses(post.pool)
    assert found.pop("u5") == ("failed", "rejected")
    assert set(found.values()) == {("sent", None)}
    assert len(resend.messages) == 7


async def test_an_event_that_cannot_be_read_fails_alone(post: Post, resend: Resend) -> None:
    await tipped(post, "ann", "bob")
    await post.pool.execute(
        "UPDATE events SET data = '{}' WHERE id = (SELECT event_id FROM deliveries WHERE user_id = 'bob')"
    )
    await post.empty()
    assert [one.address for one in resend.messages] == ["ann@example.com"]
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("failed", "unreadable")}


async def test_a_mail_that_cannot_be_written_fails_alone(mailing: House, resend: Resend) -> None:
    class Writer:
        def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
            if to.address == "bob@example.com":
                raise ValueError(to.address)
            return MAILS.write(content, to, recipient, unread)

    post = Post(mailing, channel := email_at(resend.url, mailing.clock), writer=Writer())
    await tipped(post, "ann", "bob")
    await post.empty()
    await channel.close()
    assert [one.address for one in resend.messages] == ["ann@example.com"]
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("failed", "unrenderable")}


async def test_half_of_a_refused_call_that_was_surely_not_taken_is_decided_anew(
    mailing: House, resend: Resend
) -> None:
    config = ResendConfig(api_key="re_test", sender="hub@example.com", base_url=resend.url)
    post = Post(mailing, channel := Picky(config, mailing.clock))
    await tipped(post, "u1", "u5")
    await post.turn()
    resend.behave("down")
    for _ in range(2):
        await post.turn()
    await channel.close()
    assert await statuses(post.pool) == {"u1": ("queued", "unavailable"), "u5": ("failed", "rejected")}


class Fickle(EmailChannel):
    """Says nothing to the first call, and refuses the others."""

    keys: ClassVar[list[str]] = []

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        self.keys.append(key)
        if len(self.keys) == 1:
            raise AmbiguousDeliveryError("the provider did not answer in time")
        raise MessageRejectedError("422: one of them")


async def test_what_may_have_been_taken_is_never_halved(mailing: House) -> None:
    Fickle.keys.clear()
    config = ResendConfig(api_key="re_test", sender="hub@example.com", base_url="http://127.0.0.1:9")
    post = Post(mailing, channel := Fickle(config, mailing.clock))
    await tipped(post, "ann", "bob")
    await post.turn()
    for _ in range(3):
        mailing.clock.goes_on(minutes=10)
        await post.empty()
    await channel.close()
    assert len(set(channel.keys)) == 1
    assert await statuses(post.pool) == {"ann": ("unknown", "rejected"), "bob": ("unknown", "rejected")}


async def test_the_record_says_why_a_mail_came_later(post: Post) -> None:
    await with_address(post.pool, "ann")
    await post.house.told(*tips(["ann", "ann"]))
    await post.empty()
    lines = "SELECT outcome, detail FROM delivery_attempts ORDER BY delivery_id, n"
    said = sorted(tuple(row) for row in await post.pool.fetch(lines) if row["outcome"] == "gathered")
    assert said == [("gathered", "email_spacing")]
    assert await post.pool.fetchval("SELECT sum(attempts) FROM deliveries") == 1


async def test_an_erased_person_takes_along_the_batch_and_nobody_else(post: Post, resend: Resend) -> None:
    resend.behave("timeout", times=1)
    await tipped(post, "ann", "bob")
    await post.turn()
    await erase_user(post.pool, "ann")
    assert await statuses(post.pool) == {"bob": ("unknown", "batch_withdrawn")}
    assert await post.pool.fetchval("SELECT state || mails::text FROM email_batches") == "dead[]"
    post.clock.goes_on(minutes=5)
    await post.empty()
    assert resend.messages == []


async def test_of_a_repeated_batch_nobody_knows_what_is_not_taken_now(post: Post, resend: Resend) -> None:
    resend.behave("timeout", times=1)
    await tipped(post, "ann", "bob")
    await post.turn()
    resend.behave("quota", "bob@example.com")
    post.clock.goes_on(seconds=10)
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("sent", None), "bob": ("unknown", "unavailable")}
