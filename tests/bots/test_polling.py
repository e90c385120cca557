"""Asking Telegram for updates: kept before they are confirmed, whatever is in them."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from bots.polling import Polling
from bus.tasks import cancel, spawn
from routing.channels.telegram import TelegramChannel, TelegramConfig
from schemas.db import Pool
from tests.simulated import FakeClock
from tests.simulated_telegram import TOKEN, Telegram, telegram_simulated
from tests.waiting import until


async def numbers(pool: Pool) -> list[int]:
    return [row["update_id"] for row in await pool.fetch("SELECT update_id FROM telegram_updates ORDER BY 1")]


@pytest.fixture
def polling(channel: TelegramChannel, pool: Pool, clock: FakeClock) -> Polling:
    return Polling(channel.bot, pool, clock, wait_s=0)


async def test_what_came_is_kept_and_confirmed_by_the_next_question(
    polling: Polling, pool: Pool, telegram: Telegram
) -> None:
    first, second = [(await telegram.write(text))["update_id"] for text in ("one", "two")]
    await polling.ask()
    assert await numbers(pool) == [first, second]
    assert len(telegram.simulator._waiting) == 2
    await polling.ask()
    assert not telegram.simulator._waiting


async def test_what_could_not_be_kept_is_not_confirmed(
    polling: Polling, pool: Pool, telegram: Telegram
) -> None:
    await pool.execute("ALTER TABLE telegram_updates RENAME TO away")
    await telegram.write("hello")
    for _ in range(2):
        with pytest.raises(asyncpg.PostgresError):
            await polling.ask()
    assert len(telegram.simulator._waiting) == 1
    await pool.execute("ALTER TABLE away RENAME TO telegram_updates")
    await polling.ask()
    assert len(await numbers(pool)) == 1


async def test_an_update_that_the_library_cannot_read_does_not_hide_the_others(
    polling: Polling, pool: Pool, telegram: Telegram
) -> None:
    await telegram.inbound(update_id=100, message={"of": "a new shape"})
    await telegram.inbound(update_id=101, message="\x00")
    await telegram.write("hello")
    await polling.ask()
    assert (await numbers(pool))[:2] == [100, 101]
    assert len(await numbers(pool)) == 3


async def test_after_a_restart_nothing_is_kept_twice(
    polling: Polling, channel: TelegramChannel, pool: Pool, clock: FakeClock, telegram: Telegram
) -> None:
    await telegram.write("hello")
    await polling.ask()
    await Polling(channel.bot, pool, clock, wait_s=0).ask()
    assert len(await numbers(pool)) == 1


async def test_what_a_simulator_tells_after_a_restart_is_new(pool: Pool, clock: FakeClock) -> None:
    for life in (1, 2):
        async with telegram_simulated(clock=clock) as telegram:
            channel = TelegramChannel(TelegramConfig(token=TOKEN, base_url=telegram.url), clock)
            await telegram.write("hello")
            await Polling(channel.bot, pool, clock, wait_s=0).ask()
            await channel.close()
        assert len(await numbers(pool)) == life
        clock.go(timedelta(minutes=1))


async def test_telegram_is_left_in_peace_while_nothing_can_be_kept(
    polling: Polling, pool: Pool, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.polling.PAUSE_S", 0.2)
    await pool.execute("ALTER TABLE telegram_updates RENAME TO away")
    await telegram.write("hello")
    loop = asyncio.get_running_loop()
    began, running = loop.time(), spawn(polling.run(), name="polling")

    async def asked_thrice() -> bool:
        return telegram.simulator._polls >= 3

    await until(asked_thrice)
    await cancel(running)
    assert loop.time() - began >= 2 * 0.2


async def test_while_another_process_asks_it_waits_and_tries_again(
    polling: Polling, telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bots.polling.AGAIN_S", 0)
    telegram.simulator._pusher.url = "http://127.0.0.1:9"
    await polling.ask()  # a conflict raises nothing
    telegram.simulator._pusher.url = None
    await telegram.write("hello")
    async with asyncio.timeout(5):
        await polling.ask()
    assert telegram.simulator._waiting
