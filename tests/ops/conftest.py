"""Owns the fixtures for the embedded servers: folders, and small hubs in processes of their own."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from tests.jsclient import js, js_library
from tests.ops import small_hub
from tests.ops.small_hub import Launch, Parent, SomeUser, Start

__all__ = ["js", "js_library"]


@pytest.fixture
def new_data_dir(tmp_path: Path) -> Iterator[DataDir]:
    with DataDir(tmp_path / "hub") as opened:
        yield opened


@pytest.fixture(scope="session")
def made_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an empty database, made once because that takes a second."""
    with DataDir(tmp_path_factory.mktemp("made")) as data_dir:
        server = EmbeddedPostgres(data_dir)
        server.start()
        server.stop()
    (data_dir.path / "ports.json").unlink()
    return data_dir.path


@pytest.fixture
def data_dir(tmp_path: Path, made_folder: Path) -> Iterator[DataDir]:
    """A folder with an empty database of the test's own."""
    shutil.copytree(made_folder, tmp_path / "hub")
    with DataDir(tmp_path / "hub") as opened:
        yield opened


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Starts small hubs, and ends those that still run after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
        started.append(small_hub.launch(*arguments, **options))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture
def parent(launch: Launch) -> Start:
    """Starts a small hub and waits until its servers answer."""

    def start(*arguments: object, **options: Any) -> Parent:
        process = launch(*arguments, **options)
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        return Parent(process, **json.loads(line))

    return start


@pytest.fixture
def some_user(request: pytest.FixtureRequest) -> Iterator[SomeUser]:
    """A user other than root; a test may give the number."""
    folder = Path(tempfile.mkdtemp(dir="/tmp", prefix="hub-user-"))  # tmp_path is closed to others
    yield small_hub.somebody(folder, getattr(request, "param", small_hub.numbers_of_users()[0]))
    shutil.rmtree(folder)
