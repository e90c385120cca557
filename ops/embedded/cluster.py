"""Owns PostgreSQL's directory: creating it in one step, and telling a usable one from a damaged one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ops.embedded import leftovers
from ops.embedded.account import Account, environment
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError, disk_full, says_full
from ops.embedded.progress import say
from ops.embedded.server_log import indented

SPACE_NEEDED = 300_000_000
_ESSENTIAL = ("global/pg_control", "base", "pg_wal")


def create(
    data_dir: DataDir, folder: Path, programs: Path, account: Account, *, user: str, fsync: bool
) -> None:
    """Make a new database beside its place and move it there when it is whole."""
    say("creating the database …")
    draft = folder.with_name(folder.name + ".new")
    _discard(draft)
    options = [
        *("-D", draft, "-U", user, "--pwfile", data_dir.path / "secrets" / "postgres_password"),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--data-checksums"),
        *("--no-instructions", *(() if fsync else ("--no-sync",))),
    ]
    try:
        _run(data_dir, account, [programs / "initdb", *options])
        single = [
            programs / "postgres",
            "--single",
            "-j",
            *(() if fsync else ("-F",)),
            "-D",
            draft,
            "postgres",
        ]
        _run(data_dir, account, single, f"CREATE DATABASE {user};\n\n")
        draft.rename(folder)
    except BaseException:
        _discard(draft)
        raise
    _sync(data_dir.path)


def check(folder: Path, major: int) -> None:
    """Refuse what isn't a whole database of this PostgreSQL, before the server says it in its own way."""
    version = folder / "PG_VERSION"
    found = version.read_text().strip() if version.exists() else ""
    if not found.isdigit() or not all((folder / name).exists() for name in _ESSENTIAL):
        raise EmbeddedError(
            f"the database in {folder} is damaged (files are missing): "
            "put it back from a backup, or move the folder away to begin anew"
        )
    if int(found) != major:
        raise EmbeddedError(
            f"the database in {folder} was made by PostgreSQL {found} and this hub brings {major}: "
            "choose another folder with --data-dir, or move the data with pg_dump"
        )


def require_space(data_dir: DataDir, needed: int) -> None:
    free = data_dir.free_bytes()
    if free < needed:
        raise EmbeddedError(
            f"only {free // 1_000_000} MB are free in {data_dir.path} and the database needs "
            f"{needed // 1_000_000} MB: free some space or choose another place with --data-dir"
        )


def _run(data_dir: DataDir, account: Account, program: Sequence[str | Path], text: str = "") -> None:
    done = subprocess.run(  # noqa: S603 - our own binaries
        account.command(signal.SIGTERM, program),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        cwd=data_dir.path,
        env=environment(),
    )
    said = (done.stdout + done.stderr).strip()
    if done.returncode == 0 and "ERROR" not in done.stderr:
        return
    if says_full(said):
        raise disk_full(data_dir.path)
    raise EmbeddedError(f"cannot create the database in {data_dir.path}; PostgreSQL says\n{indented(said)}")


def _discard(draft: Path) -> None:
    if draft.exists():
        for number in leftovers.inside(draft):
            leftovers.send(number, signal.SIGKILL)
        shutil.rmtree(draft, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Make the new name itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
