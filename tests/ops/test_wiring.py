"""How the parts are put together, and that they are given back whatever happens."""

import asyncio

import pytest
from pydantic import SecretStr

from bus.relay import LOCK
from ops.doctor import examine
from ops.embedded.postgres import EmbeddedPostgres
from ops.finding import Finding
from ops.settings import Settings
from ops.wiring import base, table_of_consumers, workers
from routing.dispatcher import Dispatcher
from schemas.db import Pool, connect
from tests.waiting import until


class BoomError(Exception):
    """What goes wrong in the middle of a hub's life."""


@pytest.fixture
def settings(database: str, redis_url: str) -> Settings:
    return Settings(database_url=SecretStr(database), redis_url=SecretStr(redis_url))


async def test_a_host_without_the_setting_takes_the_partitions_that_the_database_has(
    settings: Settings,
) -> None:
    async with base(settings.model_copy(update={"partitions": 16})) as parts:
        assert parts.instance.partitions == 16
    async with base(settings) as parts:
        assert parts.instance.partitions == 16


async def test_a_new_database_gets_eight_partitions(settings: Settings) -> None:
    async with base(settings) as parts:
        assert parts.instance.partitions == 8


async def test_leases_are_given_back_after_an_error_too(settings: Settings, pool: Pool) -> None:
    held = "SELECT count(*) FROM consumer_positions WHERE owner IS NOT NULL"

    async def all_held() -> bool:
        return bool(await pool.fetchval(held) == 8 * len(table_of_consumers()))

    async def break_down() -> None:
        async with base(settings) as parts, workers(parts):
            await until(all_held)
            raise BoomError

    with pytest.raises(BoomError):
        await break_down()
    assert await pool.fetchval(held) == 0


async def test_calls_may_end_before_the_dispatcher_is_ended(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []

    async def end(_self: Dispatcher) -> None:
        found.extend(task.done() for task in asyncio.all_tasks() if task.get_name() == "dispatcher")

    monkeypatch.setattr(Dispatcher, "end", end)
    async with base(settings) as parts, workers(parts):
        pass
    assert found == [False]


async def test_the_relay_of_another_database_does_not_count(
    settings: Settings, database: str, postgres_server: EmbeddedPostgres
) -> None:
    async def says() -> str:
        return next(finding.says for finding in await examine(settings) if finding.what == "relay")

    other, own = await connect(postgres_server.dsn), await connect(database)
    await other.execute(f"SELECT pg_advisory_lock({LOCK})")
    assert "nobody leads" in await says()
    await own.execute(f"SELECT pg_advisory_lock({LOCK})")
    assert await says() == "leads; 0 entries wait"
    await other.close()
    await own.close()


async def test_the_doctor_says_how_far_a_group_is_behind(settings: Settings, pool: Pool) -> None:
    async def found() -> Finding:
        return next(finding for finding in await examine(settings) if finding.what == "groups")

    await pool.execute("DELETE FROM consumer_positions")
    await pool.execute(
        "INSERT INTO consumer_positions (grp, partition, seq, owner, lease_until)"
        " VALUES ('audiences', 0, 0, 'w1', now() + interval '1 hour'),"
        " ('router', 0, 1500, 'w1', now() + interval '1 hour')"
    )
    await pool.execute(
        "INSERT INTO relay_log (seq, partition, prev, relayed_at)"
        " SELECT n, 0, n - 1, now() FROM generate_series(1, 1500) n"
    )
    groups = await found()
    assert (groups.well, groups.says) == (
        False,
        "every partition has a worker; audiences is 1,500 events behind",
    )
    await pool.execute("UPDATE consumer_positions SET seq = 1500")
    groups = await found()
    assert (groups.well, groups.says) == (True, "every partition has a worker")


async def test_of_a_database_that_is_not_migrated_the_doctor_says_one_thing(
    settings: Settings, pool: Pool
) -> None:
    await pool.execute("DROP TABLE migrations, outbox")
    found = {finding.what: finding for finding in await examine(settings)}
    assert "run `hub migrate`" in found["migrations"].says
    assert found["relay, groups, dead work, providers"].says.startswith("not looked at")
    assert not {"relay", "groups", "dead work"} & found.keys()
    assert "relation" not in str(found)
