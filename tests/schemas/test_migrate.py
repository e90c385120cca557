"""Migrations: applied once, refused when they do not fit, and together what schemas/schema.sql says.

After a new migration, `WRITE_SCHEMA=1 .venv/bin/pytest tests/schemas/test_migrate.py` writes that file anew.
"""

import asyncio
import os
import re
import subprocess
from pathlib import Path

import pytest

from ops.embedded.postgres import EmbeddedPostgres, programs
from schemas import migrate as shape
from schemas.db import Pool, connect
from schemas.migrate import FOLDER, MigrationError, check, migrate

SCHEMA = FOLDER.parent / "schema.sql"
HEAD = (
    "-- What all migrations together make (without the months); written by tests/schemas/test_migrate.py.\n\n"
)
NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\.*)\n", re.MULTILINE)


def dumped(dsn: str) -> str:
    """The database's shape as pg_dump tells it, without what differs from month to month."""
    command = [str(programs() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges"]
    months = [f"--exclude-table={table}_2*" for table in ("events", "event_people")]
    said = subprocess.run([*command, *months, dsn], check=True, capture_output=True, text=True)
    return HEAD + re.sub(r"\n{3,}", "\n\n", NOISE.sub("", said.stdout)).strip() + "\n"


def test_all_migrations_together_are_the_committed_schema(
    postgres_server: EmbeddedPostgres, migrated_template: str
) -> None:
    found = dumped(postgres_server.dsn.rsplit("/", 1)[0] + f"/{migrated_template}")
    if os.getenv("WRITE_SCHEMA"):
        SCHEMA.write_text(found)
    assert found == SCHEMA.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The migrations of this version, to be changed."""
    for path in FOLDER.glob("*.sql"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def add(folder: Path, name: str, sql: str) -> str:
    file = f"{len(list(folder.glob('*.sql'))) + 1:04}_{name}.sql"
    (folder / file).write_text(sql)
    return file


async def test_a_second_run_applies_nothing(database: str) -> None:
    assert await migrate(database) == []


async def test_a_new_migration_is_applied_once(database: str, folder: Path) -> None:
    name = add(folder, "more", "CREATE TABLE more (n int)")
    assert await migrate(database, folder) == [name]
    assert await migrate(database, folder) == []


async def test_two_runs_at_once_apply_everything_once(database: str, pool: Pool, folder: Path) -> None:
    names = [add(folder, f"more_{n}", f"CREATE TABLE more_{n} (n int)") for n in (1, 2, 3)]
    applied = await asyncio.gather(*(migrate(database, folder) for _ in range(3)))
    assert sorted(applied) == [[], [], names]
    assert await pool.fetchval("SELECT count(*) FROM migrations WHERE name = ANY($1)", names) == 3


async def test_two_first_runs_at_once_do_as_well(postgres_server: EmbeddedPostgres) -> None:
    server = await connect(postgres_server.dsn)
    dsn = postgres_server.dsn.rsplit("/", 1)[0] + "/quite_new"
    await server.execute("CREATE DATABASE quite_new")
    try:
        applied = await asyncio.gather(migrate(dsn), migrate(dsn))
        assert sorted(applied) == [[], [path.name for path in sorted(FOLDER.glob("*.sql"))]]
    finally:
        await server.execute("DROP DATABASE quite_new WITH (FORCE)")
        await server.close()


async def test_a_migration_that_was_changed_afterwards_is_refused(
    database: str, pool: Pool, folder: Path
) -> None:
    first = folder / "0001_spine.sql"
    first.write_text(first.read_text() + "\n-- one more word\n")
    with pytest.raises(MigrationError, match=f"{first.name} was changed"):
        await migrate(database, folder)
    async with pool.acquire() as connection:
        with pytest.raises(MigrationError, match=f"{first.name} was changed"):
            await check(connection, folder)


async def test_a_database_of_a_newer_version_is_refused(database: str, pool: Pool, folder: Path) -> None:
    add(folder, "more", "CREATE TABLE more (n int)")
    await migrate(database, folder)
    with pytest.raises(MigrationError, match="newer hub"):
        await migrate(database)
    async with pool.acquire() as connection:
        with pytest.raises(MigrationError, match="newer hub"):
            await check(connection)


async def test_a_missing_migration_is_named(pool: Pool, folder: Path) -> None:
    name = add(folder, "more", "CREATE TABLE more (n int)")
    async with pool.acquire() as connection:
        await check(connection)
        with pytest.raises(MigrationError, match=f"lacks {name}: run `hub migrate`"):
            await check(connection, folder)


async def test_a_migration_that_fails_leaves_nothing_behind(database: str, pool: Pool, folder: Path) -> None:
    name = add(folder, "broken", "CREATE TABLE more (n int); SELECT 1 / 0")
    with pytest.raises(MigrationError, match=f"{name}: division by zero"):
        await migrate(database, folder)
    assert await pool.fetchval("SELECT to_regclass('more')") is None
    assert await pool.fetchval("SELECT count(*) FROM migrations WHERE name = $1", name) == 0


@pytest.mark.parametrize(("name", "says"), [("0010_far.sql", "is missing"), ("2_more.sql", "is named like")])
def test_a_gap_in_the_numbers_and_a_wrong_name_are_refused(folder: Path, name: str, says: str) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match=says):
        shape.load(folder)


async def test_deliveries_may_be_read_while_they_are_scanned_for_an_index(
    postgres_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    *before, index = sorted(FOLDER.glob("*.sql"))[:7]
    for path in before:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    server = await connect(postgres_server.dsn)
    dsn = postgres_server.dsn.rsplit("/", 1)[0] + "/being_read"
    await server.execute("CREATE DATABASE being_read")
    try:
        await migrate(dsn, tmp_path)
        (tmp_path / index.name).write_bytes(index.read_bytes())
        reader = await connect(dsn)
        async with reader.transaction():
            await reader.execute("SELECT FROM deliveries")
            assert await migrate(dsn, tmp_path) == ["0007_deliveries_ended.sql"]
        await reader.close()
    finally:
        await server.execute("DROP DATABASE being_read WITH (FORCE)")
        await server.close()
