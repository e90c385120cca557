"""Open files: as many as the machine allows, and no flood of lines when there are none left."""

import logging
import resource

import pytest
from structlog.testing import capture_logs

from gateways.config import Limits
from ops.logs import AcceptTrouble
from ops.run import FILES_APART, patience_of, raise_file_limit, tell_few_files
from ops.settings import Settings

SOFT, HARD = 600, 900


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """A machine with few files; what was asked of it."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: asked[-1] if asked else (SOFT, HARD))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: asked.append(wanted))
    return asked


def test_the_soft_limit_is_raised_to_the_hard_one(few_files: list[tuple[int, int]]) -> None:
    assert raise_file_limit(100_000) == HARD
    assert few_files == [(HARD, HARD)]


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (SOFT, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert raise_file_limit(100_000) == SOFT


@pytest.mark.usefixtures("few_files")
def test_no_more_connections_are_taken_than_there_are_files() -> None:
    settings = Settings(database_pool=20)
    assert patience_of(settings).most == HARD - FILES_APART - 20


@pytest.mark.usefixtures("few_files")
def test_no_more_connections_are_taken_than_the_setting_allows() -> None:
    assert patience_of(Settings(limits=Limits(connections=10))).most == 20


@pytest.mark.usefixtures("few_files")
def test_where_files_decide_the_number_is_said_and_else_nothing() -> None:
    most = HARD - FILES_APART - 16
    with capture_logs() as logs:
        for connections in (most, most + 1):
            settings = Settings(database_pool=16, limits=Limits(connections=connections))
            tell_few_files(settings, patience_of(settings))
    assert [(one["takes"], one["setting"]) for one in logs] == [(most, most + 1)]


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("asyncio", logging.ERROR, "", 0, message, (), (OSError, OSError(24, "x"), None))


def test_a_refused_accept_is_one_short_line_every_ten_seconds() -> None:
    now = 100.0
    trouble = AcceptTrouble(lambda: now)
    message = "socket.accept() out of system resource\nsocket: <socket>"
    through = [one for one in (record(message) for _ in range(2000)) if trouble.filter(one)]
    assert [one.getMessage() for one in through] == ["no more connections can be taken: too many open files"]
    assert through[0].exc_info is None
    now += 10
    assert trouble.filter(record(message))
    assert trouble.filter(record("something else"))
