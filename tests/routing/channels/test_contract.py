"""What every channel promises to those it writes for, whatever its provider does: against each simulator."""

from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, ClassVar

import pytest

from ops.simulators.base import Mode
from routing.model import ChannelKind
from schemas.db import Pool
from tests.routing.channels.case import PATIENT_S
from tests.routing.channels.sending import Sending
from tests.routing.house import House
from tests.routing.post import Post, statuses, tips
from tests.routing.scripted import Plain, Scripted, with_chat

CASES: dict[str, ChannelKind] = {
    "push": "push",
    "sms": "sms",
    "telegram": "telegram",
    "email": "email",
    "smtp": "email",
}


@pytest.fixture
def call_s() -> float:
    return PATIENT_S


@pytest.fixture(params=CASES)
async def sending(
    request: pytest.FixtureRequest, database: str, pool: Pool, call_s: float, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sending]:
    monkeypatch.setattr("routing.lanes.SHUT_S", 0.01)  # only the clock of the test tells how long it is
    house = await House(database, pool, channels=[CASES[request.param], "telegram", "push"]).begin()
    make: Any = import_module(f"tests.routing.channels.cases.{request.param}").case
    async with make(house.clock, call_s) as case:
        yield Sending(house, case)
    assert not await house.dead()
    await house.end()


async def test_a_message_arrives_once_and_is_on_record(sending: Sending) -> None:
    await sending.tell(1, 2, 3)
    await sending.post.empty()
    assert sending.case.addresses == sorted(sending.case.address(n) for n in (1, 2, 3))
    assert set(await sending.statuses()) == {("sent", None)}
    rows = await sending.post.pool.fetch("SELECT provider, provider_ref FROM deliveries")
    assert all(row["provider"] == sending.case.channel.provider and row["provider_ref"] for row in rows)


async def test_who_is_gone_is_retired_and_hears_no_more(sending: Sending) -> None:
    sending.behave("gone", to=1)
    await sending.tell(1, 2)
    await sending.post.empty()
    found = await statuses(sending.post.pool)
    assert found["u0002"] == ("sent", None)
    if sending.case.gone_is_told_later:
        return
    assert found["u0001"][0] == "failed"
    assert sending.case.addresses == [sending.case.address(2)]
    states = await sending.post.pool.fetch("SELECT state FROM endpoints ORDER BY user_id")
    assert [row["state"] for row in states] == ["retired", "active"]
    assert await sending.post.pool.fetchval("SELECT count(*) FROM consent WHERE NOT allowed") == 1


async def test_beyond_a_quota_everything_waits_and_then_arrives_once(sending: Sending) -> None:
    sending.behave("quota", times=1)
    await sending.tell(1)
    await sending.post.turn()
    ((status, _),) = await sending.statuses()
    assert (status, sending.case.addresses) == ("queued", [])
    await sending.go_on(hours=1)
    assert await sending.statuses() == [("sent", None)]
    assert sending.case.addresses == [sending.case.address(1)]


@pytest.mark.parametrize("call_s", [1.5])
@pytest.mark.parametrize("mode", ["timeout", "timeout_after"])
async def test_after_a_silence_it_is_shown_once_or_nobody_knows(sending: Sending, mode: Mode) -> None:
    sending.behave(mode, to=1, times=1)
    await sending.tell(1)
    await sending.post.turn()
    await sending.go_on()
    ((status, reason),) = await sending.statuses()
    if status == "sent":
        assert sending.case.addresses == [sending.case.address(1)]
    else:
        assert (status, reason, sending.case.channel.keyed) == ("unknown", "ambiguous", False)
        assert len(sending.case.messages) == (mode == "timeout_after")


async def test_what_is_refused_fails_alone(sending: Sending) -> None:
    sending.behave("reject", to=1)
    await sending.tell(1, 2)
    await sending.post.empty()
    found = await statuses(sending.post.pool)
    assert found == {"u0001": ("failed", "rejected"), "u0002": ("sent", None)}
    assert sending.case.addresses == [sending.case.address(2)]
    assert await sending.post.pool.fetchval("SELECT bool_and(state = 'active') FROM endpoints")
    assert (await sending.post.breaker.admit(sending.post.pool, sending.house.clock.now())).open


async def test_through_a_flaky_provider_each_arrives_once(sending: Sending) -> None:
    sending.behave("flaky")
    numbers = range(1, 9)
    await sending.tell(*numbers)
    await sending.post.turn()
    await sending.go_on()
    assert await sending.statuses() == [("sent", None)] * len(numbers)
    assert sending.case.addresses == sorted(map(sending.case.address, numbers))


async def test_what_is_slow_arrives(sending: Sending, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fcm", "twilio", "telegram", "resend", "smtp"):
        monkeypatch.setattr(f"ops.simulators.{name}.SLOW_S", 0.1)
    sending.behave("slow")
    await sending.tell(1, 2)
    await sending.post.empty()
    assert await sending.statuses() == [("sent", None)] * 2


async def test_ten_minutes_down_cost_nothing_but_time(sending: Sending) -> None:
    house, post, case = sending.house, sending.post, sending.case
    beside = Pushing() if case.channel.kind == "telegram" else Scripted(provider="beside")
    other = Post(house, beside, writer=Plain())
    sending.behave("down")
    await sending.tell(*range(150))
    for step in range(40):
        if await post.lane.due():
            await post.turn()
        assert not post.lane.held
        if step == 20:
            await with_chat(house, "somebody", "elsewhere", beside.kind)
            await sending.tell(*range(150, 200))
            await house.told(*tips(["somebody"]))
            await other.empty()
            assert beside.asked == ["elsewhere"]
        house.clock.goes_on(seconds=15)
    assert case.addresses == []
    waiting = "SELECT count(*) FROM deliveries WHERE channel = $1 AND status IN ('queued', 'sending')"
    lost = "SELECT count(*) FROM deliveries WHERE channel = $1 AND status = 'unknown'"
    unknown = await post.pool.fetchval(lost, case.channel.kind)
    assert unknown == 0  # down is no silence: each simulator says that it took nothing
    assert await post.pool.fetchval(waiting, case.channel.kind) == 200
    tries = "SELECT count(*) FROM delivery_attempts WHERE outcome <> 'accepted'"
    assert await post.pool.fetchval(tries) <= 3 * case.channel.most + 40
    sending.behave("ok")
    await sending.go_on(hours=2)
    assert len(set(case.addresses)) == len(case.addresses) == 200


class Pushing(Scripted):
    """Push, beside another channel."""

    kind: ClassVar[ChannelKind] = "push"
