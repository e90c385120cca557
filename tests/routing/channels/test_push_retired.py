"""A device that FCM does not reach any more is given up, whichever way FCM says so."""

from collections.abc import AsyncIterator

import pytest

from ops.simulators.base import Mode
from schemas.db import Pool
from tests.routing.channels.case import PATIENT_S
from tests.routing.channels.cases.push import case
from tests.routing.channels.sending import Sending
from tests.routing.house import House
from tests.routing.post import statuses, tips


@pytest.fixture
async def sending(database: str, pool: Pool) -> AsyncIterator[Sending]:
    house = await House(database, pool, channels=["push"]).begin()
    async with case(house.clock, PATIENT_S) as push:
        yield Sending(house, push)
    await house.end()


@pytest.mark.parametrize("mode", ["gone", "sender_mismatch"])
async def test_a_device_that_is_not_ours_any_more_is_retired(sending: Sending, mode: Mode) -> None:
    sending.behave(mode, to=1)
    await sending.tell(1, 2)
    await sending.post.empty()
    found = await statuses(sending.post.pool)
    assert (found["u0001"][0], found["u0002"]) == ("failed", ("sent", None))
    states = await sending.post.pool.fetch("SELECT state FROM endpoints ORDER BY user_id")
    assert [row["state"] for row in states] == ["retired", "active"]
    sending.behave("ok")  # and yet nothing more is tried there
    await sending.house.told(*tips(["u0001", "u0002"]))
    await sending.post.empty()
    assert sending.case.addresses == [sending.case.address(2)] * 2
    assert (await sending.post.breaker.admit(sending.post.pool, sending.house.clock.now())).open
