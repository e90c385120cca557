"""Owns the shape of the database: numbered SQL files, each applied once, never changed afterwards."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from schemas import months
from schemas.db import Connection, connect
from schemas.errors import ExplainedError

FOLDER = Path(__file__).parent / "migrations"
LOCK = 4_829_331  # any number, as long as every hub takes the same
LONGEST_S = 660  # the server's own time-out for a migration comes first, and says more
NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class MigrationError(ExplainedError):
    """The database and the migrations of this version do not fit; the message says how."""


class ChangedMigrationError(MigrationError):
    """A file is not what was applied."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was changed after it had been applied: put it back as it was, and write a new migration"
        )
        self.name = name


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load(folder: Path = FOLDER) -> list[Migration]:
    """Read the files in order; raises MigrationError for a wrong name or a gap in the numbers."""
    found = list(_files(folder))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name}: the migration before it, {expected:04}, is missing")
    return found


def _files(folder: Path) -> Iterator[Migration]:
    for path in sorted(folder.glob("*.sql")):
        match = NAME.match(path.name)
        if not match:
            raise MigrationError(f"{path.name}: a migration is named like 0001_what_it_does.sql")
        yield Migration(int(match[1]), path.name, path.read_text())


async def migrate(dsn: str, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing, under a lock, each file in its own transaction.

    Returns the names applied. Raises MigrationError when a file changed after it was applied or the
    database is newer than this version, OSError or PostgresError when the server refuses.
    """
    migrations = load(folder)
    connection = await connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK, timeout=LONGEST_S)
        done = await _applied(connection)
        _check(done, migrations)
        applied = [migration.name for migration in migrations if migration.number not in done]
        for migration in migrations:
            if migration.number not in done:
                await _apply(connection, migration)
        await months.make(connection)
        return applied
    finally:
        await connection.close()


async def check(connection: Connection, folder: Path = FOLDER) -> None:
    """Raise MigrationError unless the database has exactly the migrations of this version."""
    migrations = load(folder)
    try:
        done = {r["number"]: r["checksum"] for r in await connection.fetch("SELECT * FROM migrations")}
    except asyncpg.UndefinedTableError:
        done = {}
    _check(done, migrations)
    if missing := [migration.name for migration in migrations if migration.number not in done]:
        raise MigrationError(f"the database lacks {', '.join(missing)}: run `hub migrate`")


async def _applied(connection: Connection) -> dict[int, str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (number int PRIMARY KEY, name text NOT NULL,"
        " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    return {row["number"]: row["checksum"] for row in await connection.fetch("SELECT * FROM migrations")}


def _check(done: dict[int, str], migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    if newer := sorted(set(done) - set(known)):
        raise MigrationError(
            f"the database was written by a newer hub (migration {newer[-1]:04}; this version knows up to"
            f" {len(migrations):04}): run that version, or restore a backup from before"
        )
    for number, checksum in done.items():
        if known[number].checksum != checksum:
            raise ChangedMigrationError(known[number].name)


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '10s'; SET LOCAL statement_timeout = '10min'")
            await connection.execute(migration.sql, timeout=LONGEST_S)
            await connection.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.name}: {error}") from error
