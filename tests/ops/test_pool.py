"""The database of a command, and how long its statements may take."""

import pytest
from pydantic import SecretStr

from ops.people import PersonError, erase
from ops.pool import database
from ops.replay import replay
from ops.settings import Settings, SettingsError
from schemas.db import Pool

NOTE = """
CREATE TABLE noted (timeout text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO noted VALUES (current_setting('statement_timeout')); RETURN NULL; END $$;
CREATE TRIGGER note AFTER DELETE ON users FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER UPDATE ON consumer_positions FOR EACH STATEMENT EXECUTE FUNCTION note();
"""


@pytest.fixture
def settings(database: str, redis_url: str) -> Settings:
    return Settings(database_url=SecretStr(database), redis_url=SecretStr(redis_url))


async def test_a_statement_that_takes_too_long_is_one_sentence(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="the database"):
        async with database(settings, statement_timeout_s=1) as pool:
            await pool.fetchval("SELECT pg_sleep(20)")


async def test_what_grows_with_the_log_may_take_its_time(settings: Settings, pool: Pool) -> None:
    await pool.execute(NOTE)
    with pytest.raises(PersonError, match="there is no user nobody"):
        await erase(settings, "nobody")
    await replay(settings, "stats", None)
    noted = [row["timeout"] for row in await pool.fetch("SELECT timeout FROM noted")]
    assert set(noted) == {"0"}
    assert len(noted) >= 2


async def test_an_erasure_without_redis_says_that_it_must_be_done_again(
    settings: Settings, pool: Pool
) -> None:
    await pool.execute("INSERT INTO users (id) VALUES ('eve')")
    away = settings.model_copy(update={"redis_url": SecretStr("redis://127.0.0.1:1")})
    with pytest.raises(PersonError, match="do it again, with --yes, when HUB_REDIS_URL answers"):
        await erase(away, "eve")
    with pytest.raises(PersonError, match="there is no user eve"):
        await erase(settings, "eve")
