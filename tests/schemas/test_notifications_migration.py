"""What the migration to notifications does with a hub that has been running for long."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ops.embedded.postgres import EmbeddedPostgres
from schemas.db import Pool, connect, create_pool
from schemas.migrate import FOLDER, migrate


@pytest.fixture
async def old(postgres_server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[tuple[str, Pool]]:
    """A database from before."""
    for path in sorted(FOLDER.glob("*.sql"))[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    dsn = postgres_server.dsn.rsplit("/", 1)[0] + "/from_before"
    server = await connect(postgres_server.dsn)
    await server.execute("CREATE DATABASE from_before")
    await migrate(dsn, tmp_path)
    pool = await create_pool(dsn, max_size=2)
    yield dsn, pool
    await pool.close()
    await server.execute("DROP DATABASE from_before WITH (FORCE)")
    await server.close()


async def test_nobody_is_notified_of_what_happened_before(old: tuple[str, Pool]) -> None:
    dsn, pool = old
    await pool.execute("UPDATE hub_meta SET partitions = 3")
    await pool.execute(
        "INSERT INTO relay_log (seq, partition, prev, relayed_at)"
        " VALUES (1, 0, 0, now()), (2, 1, 0, now()), (3, 0, 1, now())"
    )
    await migrate(dsn)
    rows = await pool.fetch("SELECT grp, partition, seq FROM consumer_positions ORDER BY partition")
    assert [tuple(row) for row in rows] == [("router", 0, 3), ("router", 1, 2), ("router", 2, 0)]


async def test_addresses_that_were_verified_become_endpoints(old: tuple[str, Pool]) -> None:
    dsn, pool = old
    await pool.execute(
        "INSERT INTO users (id, email, email_verified_at, phone)"
        " VALUES ('ann', 'Ann@Example.com', now(), '+15550001111'), ('bob', NULL, NULL, NULL)"
    )
    await migrate(dsn)
    rows = await pool.fetch("SELECT user_id, channel, address, state, of_profile FROM endpoints")
    assert [tuple(row) for row in rows] == [("ann", "email", "ann@example.com", "active", True)]
