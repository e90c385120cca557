"""The data directory: lock, secrets, `hub.json`."""

import os
import stat
from pathlib import Path

import pytest

from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError


def test_it_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with DataDir(tmp_path / "some" / "hub") as data_dir:
        assert stat.S_IMODE(data_dir.path.stat().st_mode) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with DataDir(tmp_path) as data_dir:
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
        assert stat.S_IMODE((data_dir.path / "secrets").stat().st_mode) == 0o700


def test_secrets_are_long_different_and_kept(tmp_path: Path) -> None:
    names = ("postgres_password", "valkey_password", "auth_secret")
    with DataDir(tmp_path) as data_dir:
        first = [data_dir.secret(name) for name in names]
    with DataDir(tmp_path) as data_dir:
        assert [data_dir.secret(name) for name in names] == first
    assert len(set(first)) == 3
    assert all(len(secret.encode()) >= 32 for secret in first)


def test_others_read_without_the_lock(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data_dir:
        data_dir.write_hub_json({"url": "http://127.0.0.1:1"})
        other = DataDir(tmp_path)
        assert other.read_hub_json() == {"url": "http://127.0.0.1:1"}
        assert other.auth_secret() == data_dir.auth_secret()


def test_hub_json_is_for_the_owner_alone_and_leaves_no_draft(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data_dir:
        before = set(tmp_path.iterdir())
        data_dir.write_hub_json({})
        assert set(tmp_path.iterdir()) - before == {tmp_path / "hub.json"}
        assert stat.S_IMODE((tmp_path / "hub.json").stat().st_mode) == 0o600


def test_what_a_killed_hub_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data_dir:
        data_dir.write_hub_json({"url": "http://127.0.0.1:1"})
    with DataDir(tmp_path) as data_dir:
        assert data_dir.read_hub_json() is None


def test_the_second_owner_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data_dir:
        data_dir.write_hub_json({"url": "http://127.0.0.1:1"})
        with pytest.raises(EmbeddedError, match=rf"another hub \(process {os.getpid()}\) is running in"):
            DataDir(tmp_path).acquire()
        assert data_dir.read_hub_json()
    DataDir(tmp_path).acquire().release()


def test_reading_where_no_hub_ever_was_says_so(tmp_path: Path) -> None:
    assert DataDir(tmp_path).read_hub_json() is None
    with pytest.raises(EmbeddedError, match=r"there is no hub in .*: start it with `hub up`"):
        DataDir(tmp_path).auth_secret()
    assert not list(tmp_path.iterdir())


def test_a_ports_file_written_by_other_hands_is_ignored(tmp_path: Path) -> None:
    with DataDir(tmp_path) as data_dir:
        (tmp_path / "ports.json").write_text("[not json")
        assert data_dir.port("postgres") is None
        data_dir.remember_port("postgres", 20_000)
        assert data_dir.port("postgres") == 20_000
