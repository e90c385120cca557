"""The embedded servers under every account: root, also in closed folders, and a normal user."""

import os
from pathlib import Path

import asyncpg
import pytest

from ops.embedded import account, leftovers
from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from tests.ops.small_hub import SomeUser, Start, numbers_of_users
from tests.waiting import until

# Root has two ways; which one works depends on the machine, and both do on a machine of one's own.
_WAYS = ["_own_namespace", "_nobody"] if os.geteuid() == 0 else ["ours"]


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    folder = tmp_path / "closed"
    folder.mkdir(0o700)
    return folder / "hub"


def _allow_only(way: str, patch: pytest.MonkeyPatch) -> None:
    for other in {"_own_namespace", "_nobody"} - {way}:
        patch.setattr(account, other, lambda: None)


@pytest.mark.parametrize("way", _WAYS)
async def test_postgres_runs_below_a_closed_folder(
    closed: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _allow_only(way, monkeypatch)
    with DataDir(closed) as data_dir:
        server = EmbeddedPostgres(data_dir, fsync=False)
        server.start()
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
        server.stop()
        assert closed.parent.stat().st_mode & 0o777 == 0o700


def test_a_database_made_one_way_is_opened_the_other(closed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with DataDir(closed) as data_dir:
        for way in (*_WAYS, *_WAYS):
            with monkeypatch.context() as patch:
                _allow_only(way, patch)
                server = EmbeddedPostgres(data_dir, fsync=False)
                server.start()
                server.stop()


@pytest.mark.parametrize("some_user", numbers_of_users(), indirect=True)
async def test_a_normal_user_runs_them(some_user: SomeUser, parent: Start) -> None:
    hub = parent(some_user.folder / "hub", user=some_user)
    for number in hub.pids:
        assert _owner(number) == some_user.uid
    hub.process.kill()
    hub.process.wait()
    await until(lambda: _is_free(some_user.folder / "hub" / "postgres"))


def _owner(process: int) -> int:
    return Path(f"/proc/{process}").stat().st_uid


async def _is_free(folder: Path) -> bool:
    return not leftovers.inside(folder)
