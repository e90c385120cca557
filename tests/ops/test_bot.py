"""The role of the bot as a whole, beside the other roles, against the simulator of Telegram."""

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from bots.introducing import introduce
from bus.outbox import Outbox
from ops.bot import bots, webhook
from ops.cli import hub
from ops.provider_settings import Telegram as TelegramSettings
from ops.settings import Auth, Settings, SettingsError
from ops.wiring import Base, base, workers
from schemas.db import Pool
from schemas.events.hours import HoursTipped
from schemas.store.telegram_links import TelegramLinks, new_token
from schemas.store.users import Users
from tests.gateways.http.served import SECRET as AUTH
from tests.simulated_telegram import ANN, BOT, SECRET, TOKEN, Telegram, telegram_simulated
from tests.waiting import until

URL = "http://127.0.0.1:9"


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with telegram_simulated() as running:
        yield running


@pytest.fixture
async def parts(database: str, redis_url: str, telegram: Telegram) -> AsyncIterator[Base]:
    settings = Settings(
        database_url=SecretStr(database),
        redis_url=SecretStr(redis_url),
        public_url=URL,
        auth=Auth(secret=SecretStr(AUTH)),
        telegram=TelegramSettings(token=SecretStr(TOKEN), base_url=telegram.url),
    )
    async with base(settings) as made:
        yield made


async def linked(pool: Pool, telegram: Telegram) -> None:
    """Ann follows the link from her settings."""
    await Users().greet(pool, "ann", name="Ann", tz=None)
    token = new_token()

    async def link() -> str | None:
        return await TelegramLinks().link(pool, BOT, token)

    await until(link)
    await TelegramLinks().put(pool, "ann", token, await pool.fetchval("SELECT now()"))
    await telegram.write(f"/start {token}")


async def test_a_person_links_their_chat_and_is_told_there_what_happens(
    parts: Base, telegram: Telegram
) -> None:
    async with workers(parts), bots(replace(parts, name="bot")):
        await linked(parts.pool, telegram)

        async def answered() -> bool:
            return len(telegram.messages) == 1

        await until(answered)
        async with parts.pool.acquire() as tx, tx.transaction():
            await Outbox(parts.pool).add(tx, HoursTipped(to="ann", amount=500, actor="bob"))

        async def told() -> bool:
            return len(telegram.messages) == 2

        await until(told)
    answer, tip = telegram.messages
    assert "account of Ann" in answer.text
    assert "5.00 HRS" in tip.text
    assert {one.address for one in telegram.messages} == {str(ANN)}


async def test_a_bot_that_is_asked_to_end_hears_what_becomes_of_its_calls(
    parts: Base, telegram: Telegram
) -> None:
    async with workers(parts):
        async with bots(replace(parts, name="bot")):
            await linked(parts.pool, telegram)

            async def answered() -> bool:
                return len(telegram.messages) == 1

            await until(answered)
            telegram.behave("slow", str(ANN), times=1)  # slower than whoever is cancelled waits for
            async with parts.pool.acquire() as tx, tx.transaction():
                await Outbox(parts.pool).add(tx, HoursTipped(to="ann", amount=500, actor="bob"))
            await until(lambda: parts.pool.fetchval("SELECT true FROM deliveries WHERE status = 'sending'"))

            async def called() -> bool:
                return not telegram.simulator.behaviours.own([str(ANN)])

            await until(called)
        assert await parts.pool.fetchval("SELECT status FROM deliveries") == "sent"


async def test_a_database_that_is_away_at_the_start_makes_nobody_deaf(
    parts: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def counted(*given: Any) -> None:
        nonlocal tried
        tried += 1
        await introduce(*given)

    monkeypatch.setattr("ops.bot.AGAIN_S", 0.05)
    monkeypatch.setattr("ops.bot.introduce", counted)
    await parts.pool.execute("ALTER TABLE telegram_bot RENAME TO away")
    async with bots(parts):

        async def tried_again() -> bool:
            return tried > 1

        await until(tried_again)
        await parts.pool.execute("ALTER TABLE away RENAME TO telegram_bot")

        async def known() -> str | None:
            return await TelegramLinks().bot(parts.pool, BOT)

        await until(known)


async def test_without_a_token_there_is_no_bot(parts: Base) -> None:
    alone = replace(parts, settings=parts.settings.model_copy(update={"telegram": TelegramSettings()}))
    with pytest.raises(SettingsError, match="HUB_TELEGRAM__TOKEN"):
        async with bots(alone):
            pytest.fail("it runs")


@pytest.mark.parametrize(
    ("secret", "url", "base_url", "expected"),
    [
        (SECRET, "https://hub.example.com/", None, "https://hub.example.com/webhooks/telegram"),
        (SECRET, URL, URL, f"{URL}/webhooks/telegram"),
        (SECRET, URL, None, None),
        (SECRET, None, None, None),
        (None, "https://hub.example.com", None, None),
    ],
)
def test_telegram_calls_only_where_it_can_and_with_a_secret(
    secret: str | None, url: str | None, base_url: str | None, expected: str | None
) -> None:
    settings = Settings(
        public_url=url,
        telegram=TelegramSettings(
            token=SecretStr(TOKEN), webhook_secret=SecretStr(secret) if secret else None, base_url=base_url
        ),
    )
    found = webhook(settings)
    assert (found and found.url) == expected
    assert SECRET not in repr(found)


def test_no_other_role_imports_aiogram() -> None:
    program = "import sys, ops.up, ops.run, ops.worker, ops.sending; sys.exit('aiogram' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, check=False).returncode == 0


def test_the_command_says_what_it_does() -> None:
    told = CliRunner().invoke(hub, ["bot", "--help"])
    assert told.exit_code == 0
    assert "Run the bot of Telegram" in told.output
