"""The bucket of tokens that all processes share."""

import asyncio

from routing.channels.base import Pace
from routing.limits import Limits
from schemas.db import Pool


async def test_all_processes_together_get_no_more_than_there_is(pool: Pool) -> None:
    pace = Pace(0.001)  # one token, and no other within the test
    waits = await asyncio.gather(*(Limits("resend").take(pool, pace) for _ in range(10)))
    assert min(waits) == 0
    assert sum(wait == 0 for wait in waits) == 1


async def test_a_bucket_holds_what_a_second_brings(pool: Pool) -> None:
    limits, pace = Limits("resend"), Pace(5.0)
    await pool.execute("INSERT INTO provider_state VALUES ('resend', 100, now())")
    first = [await limits.take(pool, pace) for _ in range(5)]
    assert first == [0.0] * 5
    assert sum([await limits.take(pool, pace) == 0 for _ in range(20)]) < 20


async def test_a_token_that_was_not_needed_is_given_back(pool: Pool) -> None:
    limits, pace = Limits("resend"), Pace(0.001)
    assert await limits.take(pool, pace) == 0
    await limits.give_back(pool)
    assert await limits.take(pool, pace) == 0


async def test_when_the_provider_says_that_nothing_is_left_nobody_calls(pool: Pool) -> None:
    limits = Limits("resend")
    assert await limits.take(pool, Pace(1000.0)) == 0
    await limits.heed(pool, Pace(1000.0, left=0, reset_s=60))
    assert await limits.take(pool, Pace(1000.0)) > 0


async def test_providers_do_not_share(pool: Pool) -> None:
    pace = Pace(0.001)
    assert await Limits("resend").take(pool, pace) == 0
    assert await Limits("twilio").take(pool, pace) == 0
