"""For how long sending is tried: a day of failures, whatever it has waited for before and between."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from routing.errors import (
    AddressMovedError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    TransientDeliveryError,
)
from schemas.db import Pool
from schemas.store.deliveries import Deliveries
from tests.routing.house import House
from tests.routing.post import Post, statuses, tipped
from tests.routing.scripted import Plain, Scripted
from tests.simulated import Resend

DOWN = TransientDeliveryError("down")
BUSY = EndpointBusyError("too many requests", retry_after=timedelta(minutes=10))
MOVED = AddressMovedError("42")


def failing(house: House, error: DeliveryError) -> Post:
    return Post(house, Scripted(lambda _: error), writer=Plain())


async def quiet_until(pool: Pool, until: str) -> None:
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    window = {"days": days, "from": "00:00", "to": until}
    quiet = {"enabled": True, "tz": "UTC", "windows": [window]}
    await pool.execute(
        "INSERT INTO preferences (user_id, document) VALUES ('ann', $1)", {"quiet_hours": quiet}
    )


async def tried_until_it_ends(post: Post, most: int = 10_000) -> timedelta:
    """Try whenever its time has come; answers for how long."""
    began = post.clock.now()
    for _ in range(most):
        if (await statuses(post.pool))["ann"][0] not in ("queued", "held"):
            return post.clock.now() - began
        due = await post.pool.fetchval("SELECT due_at FROM deliveries")
        post.clock.moment = max(due, post.clock.now() + timedelta(seconds=15))  # the breaker has rested
        await post.turn()
    raise AssertionError(await statuses(post.pool))


@pytest.mark.parametrize("error", [DOWN, BUSY, MOVED], ids=["down", "busy", "moved"])
async def test_what_waited_for_days_outlives_an_error(chatting: House, error: DeliveryError) -> None:
    until = chatting.clock.now() + timedelta(days=3)
    await chatting.pool.execute("UPDATE deliveries SET status = 'held', due_at = $1", until)
    chatting.clock.moment = until
    post = failing(chatting, error)
    await post.turn()
    assert await statuses(chatting.pool) == {"ann": ("queued", error.outcome)}


async def test_mails_of_a_batch_that_waited_for_days_outlive_an_error(post: Post, resend: Resend) -> None:
    await tipped(post, "ann")
    post.clock.goes_on(days=3)
    resend.behave("down", times=1)
    await post.turn()
    assert await statuses(post.pool) == {"ann": ("queued", "unavailable")}
    post.clock.goes_on(minutes=1)
    await post.empty()
    assert await statuses(post.pool) == {"ann": ("sent", None)}


@pytest.mark.parametrize("error", [DOWN, BUSY], ids=["down", "busy"])
async def test_what_is_redriven_after_days_outlives_an_error(chatting: House, error: DeliveryError) -> None:
    post = failing(chatting, DOWN)
    await tried_until_it_ends(post)
    chatting.clock.goes_on(days=2)
    [key] = [row["id"] for row in await chatting.pool.fetch("SELECT id FROM deliveries")]
    assert await Deliveries().redrive(chatting.pool, [key], chatting.clock.now()) == {key}
    await failing(chatting, error).turn()
    assert await statuses(chatting.pool) == {"ann": ("queued", error.outcome)}


async def test_an_account_that_is_wrong_for_days_costs_nothing_of_the_day(chatting: House) -> None:
    await failing(chatting, DOWN).turn()
    chatting.clock.goes_on(minutes=1)
    wrong = failing(chatting, ChannelMisconfiguredError("a key"))
    await wrong.turn()
    assert await statuses(chatting.pool) == {"ann": ("queued", "misconfigured")}
    chatting.clock.goes_on(days=3)
    await wrong.breaker.begin(chatting.pool)
    await failing(chatting, DOWN).turn()
    assert await statuses(chatting.pool) == {"ann": ("queued", "unavailable")}


async def test_quiet_hours_between_attempts_are_no_part_of_the_day(chatting: House) -> None:
    post = failing(chatting, DOWN)
    await post.turn()
    await quiet_until(chatting.pool, "23:00")
    chatting.clock.goes_on(minutes=1)
    await post.turn()
    assert await statuses(chatting.pool) == {"ann": ("held", "quiet_hours")}
    chatting.clock.moment = datetime(2026, 3, 5, 23, tzinfo=UTC)
    await post.turn()
    assert await statuses(chatting.pool) == {"ann": ("queued", "unavailable")}


async def test_nothing_is_tried_for_ever_however_often_it_is_held(chatting: House) -> None:
    await quiet_until(chatting.pool, "23:00")
    assert await tried_until_it_ends(failing(chatting, DOWN), 100) < timedelta(days=30)
    assert await statuses(chatting.pool) == {"ann": ("failed", "gave_up")}


async def test_the_attempt_at_the_end_of_the_day_is_the_last(chatting: House) -> None:
    post = failing(chatting, DOWN)
    await tried_until_it_ends(post)
    asked = cast("Scripted", post.first.channel).asked
    assert len(asked) == await chatting.pool.fetchval("SELECT attempts FROM deliveries") < 16


async def test_an_address_that_is_never_free_is_given_up_after_a_day(chatting: House) -> None:
    tried = await tried_until_it_ends(failing(chatting, BUSY))
    assert timedelta(days=1) <= tried < timedelta(days=1, minutes=10)
    assert await statuses(chatting.pool) == {"ann": ("failed", "gave_up")}
