"""Kill real processes in the middle of 10,000 publishes: nothing accepted is lost, nothing is doubled."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis

from bus.relay import LOCK
from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.valkey import EmbeddedValkey
from schemas.db import Connection
from schemas.migrate import migrate
from tests.crash.publisher import COUNT, Publisher, publishing
from tests.hubprocess import ROOT, HubProcess
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SECRET = "a-secret-of-tests-with-more-than-32-bytes"

QUIET = ("--no-simulators", "--port")
"""Nobody here is reached by a provider, and a bot takes seconds to start."""

StartRecorder = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[StartRecorder]:
    running: list[subprocess.Popen[bytes]] = []

    def start(hub: HubProcess, name: str = "recorder-1") -> "subprocess.Popen[bytes]":
        with (tmp_path / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.recorder", hub.data_dir, name],
                cwd=ROOT,
                env=hub.environment,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"connected\n"  # before anything is killed: it must have begun
        process.stdout.close()
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()


def child_of(hub: HubProcess, program: str) -> psutil.Process:
    [found] = [child for child in psutil.Process(hub.pid).children() if child.name() == program]
    return found


async def assert_nothing_lost_nothing_doubled(dsn: str, publisher: Publisher) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await until(lambda: settled(connection), within_s=90)
        ids = {event_id for sent in publisher.sent.values() for event_id in sent}
        assert len(ids) == COUNT
        assert {row["id"] for row in await connection.fetch("SELECT id FROM events")} == ids
        assert await connection.fetchval("SELECT count(*) FROM events") == COUNT
        row = await connection.fetchrow(
            "SELECT count(event_id) AS events, count(DISTINCT event_id) AS ids, min(seq) AS low,"
            " max(seq) - count(*) AS gaps FROM relay_log"
        )
        assert row is not None
        assert tuple(row) == (COUNT, COUNT, 1, 0)
        assert await connection.fetchval("SELECT sum(count)::bigint FROM stats_daily") == COUNT
        assert await connection.fetchval("SELECT count(*) FROM parked") == 0
        # Everybody was told of each event once, and what belongs together is one notification.
        assert await connection.fetchval("SELECT count(DISTINCT event_id) FROM decisions") == COUNT
        assert await connection.fetchval("SELECT count(*) FROM decisions") == COUNT
        assert await connection.fetchval("SELECT count(*) FROM notifications") == len(publisher.sent)
        recorded: dict[str, list[object]] = {}
        for row in await connection.fetch("SELECT id, subject FROM recorded ORDER BY n"):
            recorded.setdefault(row["subject"], []).append(row["id"])
        assert recorded == publisher.sent
    finally:
        await connection.close()


async def settled(connection: Connection) -> bool:
    """The outbox is empty and every group has come to the end of the log."""
    return bool(
        await connection.fetchval(
            "SELECT (SELECT count(*) FROM outbox) = 0"
            " AND (SELECT seq FROM relay_heads WHERE stream = 'log') >= $1"
            " AND (SELECT count(DISTINCT grp) FROM consumer_positions) = 4"
            " AND NOT EXISTS (SELECT 1 FROM consumer_positions p"
            "   JOIN relay_heads h ON h.stream = 'events:' || p.partition WHERE p.seq < h.seq)",
            COUNT,
        )
    )


async def test_the_hub_is_killed(own_hub: HubProcess, recorder: StartRecorder) -> None:
    hub = own_hub.up(*QUIET, "0")
    port = hub.url.rsplit(":", 1)[1]
    first = recorder(hub)
    async with publishing(hub) as publisher:
        hub.kill()  # and with it its PostgreSQL and its Valkey
        first.kill()
        await asyncio.to_thread(hub.up, *QUIET, port)
        recorder(hub, "recorder-2")
    await assert_nothing_lost_nothing_doubled(hub.json()["database_url"], publisher)


async def test_valkey_is_killed(own_hub: HubProcess, recorder: StartRecorder) -> None:
    hub = own_hub.up(*QUIET, "0")
    recorder(hub)
    async with publishing(hub) as publisher:
        child_of(hub, "valkey-server").kill()
    await assert_nothing_lost_nothing_doubled(hub.json()["database_url"], publisher)


async def test_postgresql_is_killed(own_hub: HubProcess, recorder: StartRecorder) -> None:
    hub = own_hub.up(*QUIET, "0")
    recorder(hub)
    async with publishing(hub) as publisher:
        child_of(hub, "postgres").kill()
    await assert_nothing_lost_nothing_doubled(hub.json()["database_url"], publisher)


async def test_everything_in_valkey_is_flushed(own_hub: HubProcess, recorder: StartRecorder) -> None:
    hub = own_hub.up(*QUIET, "0")
    recorder(hub)
    async with publishing(hub) as publisher, Redis.from_url(hub.json()["redis_url"]) as redis:
        await redis.flushall()
        await publisher.wait_accepted(COUNT // 2)
        await redis.flushall()
    await assert_nothing_lost_nothing_doubled(hub.json()["database_url"], publisher)


@asynccontextmanager
async def separate_roles(folder: Path) -> AsyncIterator[tuple[str, HubProcess, HubProcess, HubProcess]]:
    """One `hub serve` and two `hub work` on servers that outlive them; the first worker leads."""
    with DataDir(folder / "services") as data_dir:
        postgres, valkey = EmbeddedPostgres(data_dir), EmbeddedValkey(data_dir)
        postgres.start()
        valkey.start()
        environment = {
            "HUB_DATABASE_URL": postgres.dsn,
            "HUB_REDIS_URL": valkey.url,
            "HUB_AUTH__SECRET": SECRET,
        }
        serve, lead, standby = (
            HubProcess(folder / name, **environment) for name in ("serve", "lead", "standby")
        )
        try:
            await migrate(postgres.dsn)
            serve.run("serve", "--port", "0")
            lead.begin("work")
            connection = await asyncpg.connect(postgres.dsn)
            await until(lambda: leader(connection))
            standby.begin("work")
            await until(lambda: two_workers(connection))
            await connection.close()
            yield postgres.dsn, serve, lead, standby
        finally:
            for process in (lead, standby, serve):
                process.signal(signal.SIGCONT)
                process.stop()
            valkey.stop()
            postgres.stop()


async def leader(connection: Connection) -> int | None:
    """The backend of the relay that leads."""
    query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1"
    found = await connection.fetchval(query, LOCK)
    return int(found) if found is not None else None


async def taken_over(connection: Connection, before: int | None, paused: str) -> bool:
    """Another relay leads, and nothing belongs to the paused worker any more."""
    held = await connection.fetchval("SELECT count(*) FROM consumer_positions WHERE owner = $1", paused)
    return await leader(connection) not in {None, before} and held == 0


async def two_workers(connection: Connection) -> bool:
    owners = "SELECT count(DISTINCT owner) FROM consumer_positions WHERE lease_until > now()"
    return bool(await connection.fetchval(owners) == 2)


async def test_the_leading_relay_is_killed_and_the_standby_takes_over(
    tmp_path: Path, recorder: StartRecorder
) -> None:
    async with separate_roles(tmp_path) as (dsn, serve, lead, _):
        recorder(serve)
        async with publishing(serve) as publisher:
            lead.kill()
        await assert_nothing_lost_nothing_doubled(dsn, publisher)


async def test_a_worker_that_was_paused_past_its_lease_doubles_nothing(
    tmp_path: Path, recorder: StartRecorder
) -> None:
    async with separate_roles(tmp_path) as (dsn, serve, lead, _):
        first = recorder(serve, "recorder-1")
        connection = await asyncpg.connect(dsn)
        async with publishing(serve) as publisher:
            before = await leader(connection)
            lead.signal(signal.SIGSTOP)
            first.send_signal(signal.SIGSTOP)
            recorder(serve, "recorder-2")
            await until(lambda: taken_over(connection, before, "recorder-1"), within_s=60)
            lead.signal(signal.SIGCONT)
            first.send_signal(signal.SIGCONT)
        await connection.close()
        await assert_nothing_lost_nothing_doubled(dsn, publisher)
