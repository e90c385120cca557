"""Owns the fixtures everyone shares: real servers once per session, a fresh database for each test."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Generator, Iterator

import aiofastnet
import asyncpg
import pytest
from redis import Redis

from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.valkey import EmbeddedValkey
from schemas.db import Pool, create_pool
from schemas.migrate import migrate
from tests.databases import TEMPLATE, Databases
from tests.hubprocess import hub_process, own_hub

__all__ = ["hub_process", "own_hub"]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so would every process they
# start; some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run gateways on the loop of `hub serve`, whose transports differ from asyncio's in details."""
    if "gateways" in item.path.parts:
        return {"hub": aiofastnet.loop_factory()}
    return {"asyncio": asyncio.new_event_loop}


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
def databases(postgres_server: EmbeddedPostgres) -> Databases:
    """Empty databases with every migration applied."""
    made = Databases(postgres_server.dsn)
    asyncio.run(_run(postgres_server.dsn, f"CREATE DATABASE {TEMPLATE}"))
    asyncio.run(migrate(made.address(TEMPLATE)))
    asyncio.run(made.learn())
    return made


@pytest.fixture(scope="session")
def migrated_template(databases: Databases) -> str:
    """The name of a database with every migration applied, to be copied and never changed."""
    return TEMPLATE


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[str]:
    """The address of a migrated, empty database of the test's own."""
    name = await databases.lend()
    yield databases.address(name)
    await databases.take_back(name)


@pytest.fixture
def own_database(databases: Databases) -> Iterator[str]:
    """The same for a test that runs its own event loop."""
    name = asyncio.run(databases.lend())
    yield databases.address(name)
    asyncio.run(databases.take_back(name))


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


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
