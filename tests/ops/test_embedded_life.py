"""The embedded servers in ordinary life: start, stop, data, ports, neighbours."""

import stat
from pathlib import Path

import asyncpg
import pytest
from redis import Redis

from ops.embedded import leftovers
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.valkey import EmbeddedValkey
from tests.ops.small_hub import Start


async def _execute(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_data_port_and_password_survive_a_restart(data_dir: DataDir) -> None:
    first = EmbeddedPostgres(data_dir, fsync=False)
    first.start()
    await _execute(first.dsn, "CREATE TABLE kept AS SELECT 42 AS n")
    first.stop()
    second = EmbeddedPostgres(data_dir, fsync=False)
    second.start()
    assert await _execute(second.dsn, "SELECT n FROM kept") == 42
    assert second.dsn == first.dsn
    second.stop()


async def test_the_database_is_durable_and_in_utf8(new_data_dir: DataDir) -> None:
    server = EmbeddedPostgres(new_data_dir)
    server.start()
    expected = {
        "fsync": "on",
        "max_connections": "200",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "lc_collate": "C",
        "listen_addresses": "127.0.0.1",
        "timezone": "UTC",
    }
    query = "SELECT coalesce(current_setting($1, true), (SELECT datcollate FROM pg_database LIMIT 1))"
    connection = await asyncpg.connect(server.dsn)
    found = {name: await connection.fetchval(query, name) for name in expected}
    await connection.close()
    server.stop()
    assert found == expected


async def test_a_wrong_password_is_refused(data_dir: DataDir) -> None:
    server = EmbeddedPostgres(data_dir, fsync=False)
    server.start()
    wrong = server.dsn.replace(data_dir.secret("postgres_password"), "guess")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)
    server.stop()


def test_valkey_answers_keeps_its_port_and_hides_its_password(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    server.start()
    with Redis.from_url(server.url) as client:
        assert client.config_get("save", "appendonly", "maxmemory-policy") == {
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
    command_line = Path(f"/proc/{server.pid}/cmdline").read_text()
    server.stop()
    assert data_dir.secret("valkey_password") not in command_line
    again = EmbeddedValkey(data_dir)
    again.start()
    assert again.url == server.url
    again.stop()


def test_two_hubs_run_side_by_side(tmp_path: Path, parent: Start) -> None:
    one, two = parent(tmp_path / "one"), parent(tmp_path / "two")
    assert one.dsn != two.dsn
    assert one.url != two.url


def test_stopping_leaves_no_process_and_may_be_done_twice(data_dir: DataDir) -> None:
    postgres, valkey = EmbeddedPostgres(data_dir), EmbeddedValkey(data_dir)
    for server in (postgres, valkey):
        server.start()
        assert leftovers.inside(server.folder)
        server.stop()
        server.stop()
        assert not leftovers.inside(server.folder)
        assert server.pid is None


def test_folders_with_spaces_quotes_and_umlauts_work(tmp_path: Path) -> None:
    with DataDir(tmp_path / 'Größe "1" $HOME') as data_dir:
        for server in (EmbeddedPostgres(data_dir, fsync=False), EmbeddedValkey(data_dir)):
            server.start()
            server.stop()


def test_what_is_secret_is_readable_by_the_owner_alone(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    server.start()
    server.stop()
    for path in data_dir.path.rglob("*"):
        if path.is_file() and path.parent.name != "logs":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path


def test_a_long_log_is_begun_anew(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    server.log.path.write_bytes(b"x" * 10_000_001)
    server.start()
    server.stop()
    assert server.log.path.stat().st_size < 10_000


def test_a_server_that_was_not_started_has_no_address(data_dir: DataDir) -> None:
    with pytest.raises(EmbeddedError, match="PostgreSQL has not been started"):
        _ = EmbeddedPostgres(data_dir).dsn
