"""When the machine says no: one clear sentence that says what to do, and nothing half done."""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.embedded import leftovers, ports, postgres, valkey
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError, PortInUseError, explain
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.service import Service
from ops.embedded.valkey import EmbeddedValkey
from tests.ops.small_hub import Launch, SomeUser, Start

_SERVERS = [EmbeddedPostgres, EmbeddedValkey]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port with another program on it."""
    with socket.create_server(("127.0.0.1", ports.find_free())) as listener:
        yield listener.getsockname()[1]


def _refusal(process: subprocess.Popen[str]) -> str:
    """What a small hub that can't start says: one sentence on stderr, nothing on stdout."""
    out, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert not out
    assert "Traceback" not in said
    return said.removeprefix("creating the database …\n")


def test_the_second_hub_in_one_folder_is_refused(tmp_path: Path, parent: Start, launch: Launch) -> None:
    first = parent(tmp_path)
    said = _refusal(launch(tmp_path))
    assert said == (
        f"error: another hub (process {first.process.pid}) is running in {tmp_path}: "
        "stop it, or choose another folder with --data-dir\n"
    )


def test_a_folder_that_may_not_be_written_is_refused(some_user: SomeUser, launch: Launch) -> None:
    some_user.folder.chmod(0o555)
    folder = some_user.folder / "hub"
    said = _refusal(launch(folder, user=some_user))
    assert said == (
        f"error: cannot write in {folder} (Permission denied): choose a folder of your own with --data-dir\n"
    )


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hub"
    file.touch()
    for path in (file, file / "below"):
        with pytest.raises(EmbeddedError, match="is not a directory: choose another one with --data-dir"):
            DataDir(path).acquire()


def _may_mount() -> bool:
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    tried = subprocess.run(
        [*unshare, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


def _on_a_small_disk(folder: Path) -> list[str]:
    """What to put before a command so that it sees a disk of 20 MB at the folder."""
    mount = f'mount -t tmpfs -o size=20m none \'{folder}\' && exec "$0" "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount]


def test_too_little_space_is_seen_before_anything_is_made(tmp_path: Path, launch: Launch) -> None:
    said = _refusal(launch(tmp_path, 10**15))
    assert said.startswith("error: only ")
    assert said.endswith("needs 1000000000 MB: free some space or choose another place with --data-dir\n")
    assert not list(tmp_path.glob("postgres*"))


# Where no small disk may be mounted, what the system says of a full one is at least put into the sentence.
@pytest.mark.parametrize("mounted", [_may_mount()])
def test_a_disk_that_fills_up_is_named(tmp_path: Path, launch: Launch, mounted: bool) -> None:
    if mounted:
        said = _refusal(launch(tmp_path, 0, before=_on_a_small_disk(tmp_path)))
    else:
        said = f"error: {explain(OSError(errno.ENOSPC, 'No space left on device'), tmp_path)}\n"
    assert said == (
        f"error: the disk that holds {tmp_path} is full: "
        "free some space or choose another place with --data-dir\n"
    )


@pytest.mark.parametrize("server", _SERVERS)
def test_a_taken_port_that_was_asked_for_is_an_error(
    data_dir: DataDir, taken: int, server: type[Service]
) -> None:
    with pytest.raises(PortInUseError, match=f"port {taken} on 127.0.0.1, .* is in use"):
        server(data_dir, port=taken).start()


@pytest.mark.parametrize("server", _SERVERS)
def test_a_taken_port_of_last_time_is_replaced(data_dir: DataDir, taken: int, server: type[Service]) -> None:
    data_dir.remember_port(server.name, taken)
    started = server(data_dir)
    started.start()
    started.stop()
    assert started.port != taken
    assert data_dir.port(server.name) == started.port


@pytest.mark.parametrize("server", _SERVERS)
def test_a_port_taken_between_look_and_start_is_replaced(
    data_dir: DataDir, taken: int, server: type[Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([taken, ports.find_free()])
    monkeypatch.setattr(ports, "find_free", lambda _preferred: next(looks))
    started = server(data_dir)
    started.start()
    started.stop()
    assert started.port != taken


@pytest.fixture
def made(data_dir: DataDir) -> EmbeddedPostgres:
    """A server with a database, not started."""
    return EmbeddedPostgres(data_dir, fsync=False)


@pytest.mark.parametrize("missing", ["PG_VERSION", "global/pg_control", "base"])
def test_a_database_with_missing_files_is_called_damaged(made: EmbeddedPostgres, missing: str) -> None:
    path = made.folder / missing
    path.rename(made.folder / "elsewhere")
    with pytest.raises(
        EmbeddedError, match=f"database in {made.folder} is damaged .*put it back from a backup"
    ):
        made.start()


def test_a_damaged_database_is_explained_with_the_end_of_the_log(made: EmbeddedPostgres) -> None:
    (made.folder / "global/pg_control").write_bytes(b"nonsense")
    with pytest.raises(
        EmbeddedError, match=r"can't be opened: put it back(.|\n)*log says\n(.|\n)*pg_control"
    ):
        made.start()
    assert not leftovers.inside(made.folder)


@pytest.mark.parametrize("version", ["17", "19"])
def test_a_database_of_another_major_version_is_refused(made: EmbeddedPostgres, version: str) -> None:
    (made.folder / "PG_VERSION").write_text(version + "\n")
    with pytest.raises(EmbeddedError, match=f"made by PostgreSQL {version} and this hub brings 18"):
        made.start()


def test_an_unfinished_database_is_begun_anew(new_data_dir: DataDir) -> None:
    draft = new_data_dir.path / "postgres.new"
    (draft / "base").mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(new_data_dir, fsync=False)
    server.start()
    server.stop()
    assert not draft.exists()


def test_a_pid_file_with_the_number_of_another_program_does_not_matter(made: EmbeddedPostgres) -> None:
    (made.folder / "postmaster.pid").write_text(f"{os.getppid()}\n{made.folder}\n")
    made.start()
    made.stop()


@pytest.mark.parametrize(("module", "find"), [(postgres, postgres.programs), (valkey, valkey.program)])
def test_a_machine_without_the_programs_is_told_about_the_setting(
    module: object, find: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(f"{module.__name__}.importlib.util.find_spec", lambda _name: Spec)  # type: ignore[attr-defined]
    with pytest.raises(EmbeddedError, match=r"for this machine: set HUB_.*_URL to one of your own"):
        find()  # type: ignore[operator]


def test_a_deleted_folder_of_valkey_does_not_matter(data_dir: DataDir) -> None:
    server = EmbeddedValkey(data_dir)
    server.start()
    server.stop()
    shutil.rmtree(server.folder)
    server.start()
    server.stop()
