"""Owns the fixtures everyone shares: real servers once per session, a fresh database for each test."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Generator, Iterator
from itertools import count

import asyncpg
import pytest
from redis import Redis

from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.valkey import EmbeddedValkey
from schemas.db import Pool, create_pool
from schemas.migrate import migrate
from tests.hubprocess import hub_process, own_hub

__all__ = ["hub_process", "own_hub"]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every process they
# start; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

_TEMPLATE = "template_migrated"
_NUMBERS = count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true nothing may be skipped: a skip there is a failure."""
    report = yield
    if os.getenv("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.longrepr = f"with CI=true nothing may be skipped. {reason}"
    return report


@pytest.fixture(scope="session")
def service_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataDir]:
    with DataDir(tmp_path_factory.mktemp("services")) as data_dir:
        yield data_dir


@pytest.fixture(scope="session")
def postgres_server(service_dir: DataDir) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(service_dir, fsync=False)  # nobody kills this one
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(service_dir: DataDir) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(service_dir)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database with every migration applied, to be copied and never changed."""
    asyncio.run(_run(postgres_server.dsn, f"CREATE DATABASE {_TEMPLATE}"))
    asyncio.run(migrate(_dsn(postgres_server, _TEMPLATE)))
    return _TEMPLATE


@pytest.fixture
async def database(postgres_server: EmbeddedPostgres, migrated_template: str) -> AsyncIterator[str]:
    """The address of a migrated, empty database of the test's own."""
    name = f"test_{next(_NUMBERS)}"
    await _run(postgres_server.dsn, f"CREATE DATABASE {name} TEMPLATE {migrated_template}")
    yield _dsn(postgres_server, name)
    await _run(postgres_server.dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def own_database(postgres_server: EmbeddedPostgres, migrated_template: str) -> str:
    """The same for a test that runs its own event loop."""
    name = f"own_{next(_NUMBERS)}"
    asyncio.run(_run(postgres_server.dsn, f"CREATE DATABASE {name} TEMPLATE {migrated_template}"))
    return _dsn(postgres_server, name)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    connections = await create_pool(database, max_size=10)
    yield connections
    await connections.close()


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    """The address of an empty Valkey."""
    with Redis.from_url(valkey_server.url) as client:
        client.flushall()
    return valkey_server.url


def _dsn(server: EmbeddedPostgres, database: str) -> str:
    return server.dsn.rsplit("/", 1)[0] + f"/{database}"


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
