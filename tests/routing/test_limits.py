"""The bucket of tokens that all processes share."""

import asyncio

import pytest

from routing.channels.base import Pace
from routing.limits import Limits
from schemas.db import Pool
from schemas.store.providers import Providers


async def test_all_processes_together_get_no_more_than_there_is(pool: Pool) -> None:
    pace = Pace(0.001)  # one token, and no other within the test
    taken = await asyncio.gather(*(Limits("resend").take(pool, pace) for _ in range(10)))
    assert sum(taken) == 1


async def test_many_tokens_are_taken_at_once_up_to_what_there_is(pool: Pool) -> None:
    limits, pace = Limits("fcm"), Pace(30.0)
    assert await limits.take(pool, pace, 500) == 30
    assert await limits.take(pool, pace, 500) == 0


async def test_a_few_tokens_are_not_taken_where_many_are_wanted(pool: Pool) -> None:
    limits, pace = Limits("fcm"), Pace(20.0)
    await pool.execute("INSERT INTO provider_state VALUES ('fcm', 4, clock_timestamp() + interval '1 hour')")
    await pool.execute("UPDATE provider_state SET refilled_at = clock_timestamp()")
    assert await limits.take(pool, pace, 20) == 0
    assert await limits.take(pool, pace, 1) == 1


async def test_a_bucket_holds_what_a_second_brings(pool: Pool) -> None:
    limits, pace = Limits("resend"), Pace(5.0)
    await pool.execute("INSERT INTO provider_state VALUES ('resend', 100, now())")
    assert [await limits.take(pool, pace) for _ in range(5)] == [1] * 5
    assert sum([await limits.take(pool, pace) for _ in range(20)]) < 20


async def test_a_token_that_was_not_needed_is_given_back(pool: Pool) -> None:
    limits, pace = Limits("resend"), Pace(0.001)
    assert await limits.take(pool, pace) == 1
    await limits.give_back(pool)
    assert await limits.take(pool, pace) == 1


async def test_when_the_provider_says_that_nothing_is_left_nobody_calls(pool: Pool) -> None:
    limits = Limits("resend")
    assert await limits.take(pool, Pace(1000.0)) == 1
    await limits.heed(pool, Pace(1000.0, left=0, reset_s=60))
    assert await limits.take(pool, Pace(1000.0)) == 0


@pytest.mark.parametrize("said", [1_790_000_000.0, float("inf"), float("nan"), -5.0])
async def test_whatever_a_provider_says_nobody_waits_longer_than_a_minute(pool: Pool, said: float) -> None:
    limits = Limits("resend")
    assert await limits.take(pool, Pace(1.0)) == 1
    await limits.heed(pool, Pace(1.0, left=0, reset_s=said))
    soon = "SELECT refilled_at <= clock_timestamp() + interval '1 minute' FROM provider_state"
    assert await pool.fetchval(soon)


async def test_providers_do_not_share(pool: Pool) -> None:
    pace = Pace(0.001)
    assert await Limits("resend").take(pool, pace) == 1
    assert await Limits("twilio").take(pool, pace) == 1


async def test_many_who_want_much_of_a_known_bucket_get_no_more_than_it_holds(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO provider_state (provider, tokens, refilled_at) VALUES ('fcm', 500, now())"
    )
    taken = await asyncio.gather(
        *(Providers().take(pool, "fcm", rate=0.001, burst=500, most=500) for _ in range(12))
    )
    assert sorted(taken) == [0] * 11 + [500]


async def test_many_who_want_some_of_a_known_bucket_get_no_more_than_it_holds(pool: Pool) -> None:
    await pool.execute(
        "INSERT INTO provider_state (provider, tokens, refilled_at) VALUES ('fcm', 500, now())"
    )
    taken = await asyncio.gather(
        *(Providers().take(pool, "fcm", rate=0.001, burst=500, most=70) for _ in range(12))
    )
    assert sum(taken) <= 500
    assert sum(taken) >= 490
