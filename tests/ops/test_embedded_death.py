"""What dies takes its servers with it, or is brought back: nothing is left running, nothing is lost."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from bus.tasks import cancel, spawn
from ops.embedded import leftovers
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.service import Service
from ops.embedded.supervisor import Supervisor
from ops.embedded.valkey import EmbeddedValkey
from schemas.db import Session
from tests.ops.small_hub import Start
from tests.waiting import until

_ENDLESS = "SELECT count(*) FROM generate_series(1, 1000000000000)"


@asynccontextmanager
async def _busy_backend(dsn: str) -> AsyncIterator[int]:
    """A backend that computes and so does not notice by itself that its server is gone; gives its pid."""
    connection = await asyncpg.connect(dsn)
    number = connection.get_server_pid()
    computing = spawn(_until_cut(connection), name="endless query")
    await until(lambda: _is_active(dsn, number))
    yield number
    await cancel(computing)
    connection.terminate()


async def _until_cut(connection: Session) -> None:
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        await connection.execute(_ENDLESS)


async def _is_active(dsn: str, number: int) -> bool:
    return (
        await _fetch(
            dsn, f"SELECT count(*) FROM pg_stat_activity WHERE pid = {number} AND query = '{_ENDLESS}'"
        )
        == 1
    )


async def _fetch(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _answers(dsn: str) -> bool:
    with suppress(OSError, asyncpg.PostgresError):
        return await _fetch(dsn, "SELECT 1") == 1
    return False


def _pings(url: str) -> bool:
    with Redis.from_url(url) as client, suppress(RedisError):
        return bool(client.ping())
    return False


async def _is_empty(folder: Path) -> bool:
    return not leftovers.inside(folder / "postgres") and not leftovers.inside(folder / "valkey")


async def test_kill_9_of_the_parent_leaves_no_process(tmp_path: Path, parent: Start) -> None:
    hub = parent(tmp_path)
    async with _busy_backend(hub.dsn) as backend:
        assert {*hub.pids, backend} <= leftovers.inside(tmp_path / "postgres") | leftovers.inside(
            tmp_path / "valkey"
        )
        hub.process.kill()
        hub.process.wait()
        await until(lambda: _is_empty(tmp_path))


async def test_sigterm_of_the_parent_stops_the_servers_in_peace(tmp_path: Path, parent: Start) -> None:
    hub = parent(tmp_path)
    hub.process.terminate()
    assert hub.process.wait(timeout=30) == 0
    assert await _is_empty(tmp_path)
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


def test_ctrl_c_reaches_the_parent_alone(tmp_path: Path, parent: Start) -> None:
    hub = parent(tmp_path)
    groups = {os.getpgid(number) for number in (hub.process.pid, *hub.pids)}
    assert len(groups) == 3


async def test_a_killed_hub_can_be_started_again_at_once_with_its_data(tmp_path: Path, parent: Start) -> None:
    hub = parent(tmp_path)
    await _fetch(hub.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
    hub.process.kill()
    hub.process.wait()
    again = parent(tmp_path)
    assert await _fetch(again.dsn, "SELECT n FROM kept") == 42
    assert (again.dsn, again.url) == (hub.dsn, hub.url)


async def test_a_hub_killed_together_with_its_postgres_can_be_started_again(
    tmp_path: Path, parent: Start
) -> None:
    hub = parent(tmp_path)
    async with _busy_backend(hub.dsn) as backend:
        os.kill(hub.process.pid, signal.SIGSTOP)  # so that it can't bring PostgreSQL back in between
        os.kill(hub.pids[0], signal.SIGKILL)
        os.kill(hub.process.pid, signal.SIGKILL)
        hub.process.wait()
        assert backend in leftovers.inside(tmp_path / "postgres")
        again = parent(tmp_path)
        assert await _answers(again.dsn)
        assert backend not in leftovers.inside(tmp_path / "postgres")


@asynccontextmanager
async def _watched(*services: Service) -> AsyncIterator[None]:
    supervisor = Supervisor(*services)
    supervisor.start()
    watching = spawn(supervisor.watch(), name="watch")
    yield
    await cancel(watching)
    supervisor.stop()


async def test_a_killed_postgres_is_brought_back_on_its_port_with_its_data(data_dir: DataDir) -> None:
    server = EmbeddedPostgres(data_dir)
    async with _watched(server):
        before, dsn = server.pid, server.dsn
        assert before
        await _fetch(dsn, "CREATE TABLE kept AS SELECT 42 AS n")
        async with _busy_backend(dsn):
            os.kill(before, signal.SIGKILL)
            await until(lambda: _answers(dsn))
        assert await _fetch(dsn, "SELECT n FROM kept") == 42
        assert server.pid not in {None, before}


async def test_a_killed_valkey_is_brought_back_on_its_port_again_and_again(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    async with _watched(server):
        url = server.url
        for _ in range(3):
            await _kill_and_wait(server)
            assert server.url == url


async def _kill_and_wait(server: EmbeddedValkey) -> None:
    before = server.pid
    assert before
    os.kill(before, signal.SIGKILL)

    async def back() -> bool:
        return server.pid not in {None, before} and _pings(server.url)

    await until(back)


async def test_the_supervisor_does_not_give_up_while_a_restart_is_impossible(data_dir: DataDir) -> None:
    server = EmbeddedPostgres(data_dir)
    async with _watched(server):
        dsn, away = server.dsn, server.folder.with_name("away")
        assert server.pid
        server.folder.rename(away)
        (server.folder).mkdir(0o700)
        os.kill(server.pid, signal.SIGKILL)
        await until(lambda: _said_no(server))
        server.folder.rmdir()
        away.rename(server.folder)
        await until(lambda: _answers(dsn))


async def _said_no(server: EmbeddedPostgres) -> bool:
    if server.alive:
        return False
    with pytest.raises(EmbeddedError, match="damaged"):
        server.prepare()
    return True


async def test_what_was_stopped_stays_stopped(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    supervisor = Supervisor(server)
    supervisor.start()
    watching = spawn(supervisor.watch(), name="watch")
    await asyncio.sleep(0)
    supervisor.stop()
    await asyncio.wait_for(watching, 20)
    assert server.pid is None
