"""Who asks for too many codes is told when the next may be asked for; one that was taken back goes out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateways.config import Limits
from gateways.gateway import Gateway
from gateways.http.endpoints import MOST
from routing.consent import Consents, Scope
from routing.verification import BEYOND, LIVES, SHARE, TRIES
from tests.gateways.http.proving import PATH, PHONE, add, code, sent, verify
from tests.gateways.http.served import Caller, serving
from tests.simulated import FakeClock

ROOT = Path(__file__).parents[3]
WORDS = {2: "two", 3: "three", 5: "five", 10: "ten"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gateway(gateway: Gateway, clock: FakeClock) -> Gateway:
    return replace(gateway, clock=clock, notifying=replace(gateway.notifying, consents=Consents(clock)))


@pytest.fixture
async def ann(gateway: Gateway) -> AsyncIterator[Caller]:
    async with serving(gateway) as caller:
        yield caller.being("ann")


async def take_back(gateway: Gateway, endpoint: str) -> None:
    """As the dispatcher does with what is for an endpoint that was given up meanwhile."""
    done = await gateway.pool.execute(
        "UPDATE deliveries SET status = 'dropped' WHERE endpoint_id = $1 AND status = 'queued'", endpoint
    )
    assert done == "UPDATE 1"


async def test_who_has_spent_the_codes_of_the_hour_is_told_when_the_next_may_be_asked_for(
    ann: Caller, clock: FakeClock
) -> None:
    for n in range(5):
        for channel, address in (("sms", f"+1555000222{n}"), ("email", f"ann{n}@example.com")):
            await add(ann, channel, address)
    [phone, *_] = (await ann.get(PATH)).json["items"]
    await ann.call("DELETE", f"{PATH}/{phone['id']}")
    clock.go(timedelta(minutes=1))
    made = await add(ann)
    told = {"asked_at": None, "expires_at": None, "tries_left": 0, "again_at": "2026-11-21T13:00:00Z"}
    assert made["verification"] == told
    there = f"{PATH}/{made['id']}"
    shown = {one["id"]: one["verification"] for one in (await ann.get(PATH)).json["items"]}
    assert shown[made["id"]] == told
    assert (await ann.post(f"{there}/code")).headers["Retry-After"] == str(59 * 60)
    assert (await ann.call("PATCH", there, json={"name": "Phone"})).json["verification"] == told
    clock.go(timedelta(minutes=59))
    [*_, shown_later] = (await ann.get(PATH)).json["items"]
    assert (shown_later["id"], shown_later["verification"]) == (made["id"], None)
    assert (await ann.post(f"{there}/code")).status == 202


async def test_a_code_that_a_removal_took_back_goes_out_when_the_number_is_brought_again(
    ann: Caller, gateway: Gateway, clock: FakeClock
) -> None:
    made = await add(ann)
    for _ in range(3):
        await ann.call("DELETE", f"{PATH}/{made['id']}")
        await take_back(gateway, made["id"])
        clock.go(timedelta(seconds=5))
        again = await add(ann)
        assert again == made
        rows = await gateway.pool.fetch("SELECT due_at FROM deliveries WHERE status = 'queued'")
        assert [row["due_at"] for row in rows] == [clock.now()]
    # It is the same code, asked for once, however often the number was brought.
    assert len(set(await sent(gateway, made["id"]))) == 1
    assert (await verify(ann, made["id"], await code(gateway, made["id"]))).status == 200


async def test_a_code_that_went_out_already_does_not_go_out_twice(ann: Caller, gateway: Gateway) -> None:
    for status in ("queued", "sending", "sent", "delivered", "failed"):
        made = await add(ann)
        await gateway.pool.execute("UPDATE deliveries SET status = $1", status)
        await ann.call("DELETE", f"{PATH}/{made['id']}")
        assert (await add(ann))["verification"] == made["verification"]
        assert len(await sent(gateway, made["id"])) == 1


async def test_nothing_goes_out_again_to_who_said_stop_meanwhile(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    await ann.call("DELETE", f"{PATH}/{made['id']}")
    await take_back(gateway, made["id"])
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.stop(tx, Scope("sms", PHONE), source="keyword")
    assert (await add(ann))["verification"] == made["verification"]
    assert len(await sent(gateway, made["id"])) == 1


def test_the_readmes_tell_the_limits_as_they_are() -> None:
    limits, minutes = Limits(), int(LIVES["sms"].total_seconds() / 60)
    first, ops = (" ".join((ROOT / name).read_text().split()) for name in ("README.md", "ops/README.md"))
    assert TRIES == 5
    assert f"A code counts for {WORDS[minutes]} minutes and ends with the fifth wrong try" in first
    assert f"ask for {WORDS[SHARE]} for the same number and {WORDS[limits.codes_per_person]} in all" in first
    assert f"at most {WORDS[limits.codes_per_address]} reach one number" in first
    assert f"you may have {WORDS[MOST['sms']]} numbers" in first
    assert f"One person may have {MOST['sms']} numbers" in ops
    person, address = limits.codes_per_person, limits.codes_per_address
    assert f"ask for {person} codes an hour and {limits.codes_per_person_a_day} a day" in ops
    assert f"of them {SHARE} an hour for the same number" in ops
    assert f"{address} an hour and {limits.codes_per_address_a_day} a day reach one number" in ops
    assert f"{WORDS[BEYOND]} times as many while each is the first for another person" in ops
    assert f"A code counts for {minutes} minutes and ends with the {TRIES}th wrong try" in ops
