"""Tokens that link chats: of all who show one at the same time, one person is let in."""

import asyncio
from datetime import timedelta

from schemas.db import Pool
from schemas.store.telegram_links import LIFETIME, LONGEST, TelegramLinks, new_token
from tests.simulated import FakeClock


async def test_of_many_who_show_a_token_at_once_one_finds_it_fresh(pool: Pool) -> None:
    links, now, token = TelegramLinks(), FakeClock().now(), new_token()
    await links.put(pool, "ann", token, now)
    shown = await asyncio.gather(*(links.use(pool, token, now) for _ in range(10)))
    assert sorted(one.state for one in shown) == ["fresh"] + ["used"] * 9
    assert {one.user_id for one in shown} == {"ann"}


async def test_a_token_is_good_until_its_time_is_over(pool: Pool) -> None:
    links, now, token = TelegramLinks(), FakeClock().now(), new_token()
    assert await links.put(pool, "ann", token, now) == now + LIFETIME
    assert (await links.use(pool, token, now + LIFETIME)).state == "expired"
    assert (await links.use(pool, token, now + LIFETIME - timedelta(seconds=1))).state == "fresh"


async def test_those_of_others_are_not_counted(pool: Pool) -> None:
    links, now = TelegramLinks(), FakeClock().now()
    for user in ("ann", "ann", "bob"):
        await links.put(pool, user, new_token(), now)
    assert await links.made_since(pool, "ann", now - timedelta(seconds=1)) == [now, now]
    assert await links.made_since(pool, "ann", now) == []


async def test_looking_takes_nothing(pool: Pool) -> None:
    links, now, token = TelegramLinks(), FakeClock().now(), new_token()
    await links.put(pool, "ann", token, now)
    assert [(await links.look(pool, token, now)).state for _ in range(2)] == ["fresh", "fresh"]
    assert (await links.look(pool, token, now + LIFETIME)).state == "expired"
    await links.use(pool, token, now)
    assert (await links.look(pool, token, now)).state == "used"
    assert (await links.look(pool, "guessed", now)).state == "unknown"


def test_a_token_fits_into_a_link_of_telegram() -> None:
    token = new_token()
    assert len(token) <= LONGEST
    assert token.replace("-", "").replace("_", "").isalnum()
