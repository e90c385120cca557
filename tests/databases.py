"""Owns the databases of tests: migrated, empty and the test's own; one left as it was made serves again.

To make one costs more than most tests. So what a test wrote is taken out of it again, unless the test changed
more than rows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Final

import asyncpg

TEMPLATE: Final = "template_migrated"
# Everything but rows: tables, columns, constraints, triggers, functions, settings, and what ANALYZE noted.
SHAPE: Final = """
SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (
    SELECT concat_ws(' ', oid, relname, relkind, relispartition, relrowsecurity, reloptions, relacl) AS line
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws(' ', attrelid, attname, atttypid, attnotnull, atthasdef, attisdropped)
    FROM pg_attribute WHERE attrelid >= 16384
    UNION ALL SELECT format('%s %s', oid, convalidated) FROM pg_constraint WHERE oid >= 16384
    UNION ALL SELECT format('%s %s', oid, tgenabled) FROM pg_trigger WHERE oid >= 16384
    UNION ALL SELECT format('%s %s', indexrelid, indisvalid) FROM pg_index WHERE indexrelid >= 16384
    UNION ALL SELECT format('%s %s', oid, prosrc) FROM pg_proc WHERE oid >= 16384
    UNION ALL SELECT format('%s', nspname) FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast)'
    UNION ALL SELECT format('%s %s', setrole, setconfig) FROM pg_db_role_setting
    UNION ALL SELECT format('%s %s', starelid, staattnum) FROM pg_statistic WHERE starelid >= 16384
) AS shape
"""
TABLES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
AND NOT relispartition ORDER BY relname
"""
USED: Final = "SELECT sequencename AS name FROM pg_sequences WHERE last_value IS NOT NULL"
OTHERS: Final = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
END: Final = (
    f"SELECT pg_terminate_backend(pid, 5000) FROM ({OTHERS}) AS others"  # and wait until it has ended
)


class Databases:
    """Lends databases of one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._numbers = count(1)
        self._free: list[str] = []
        self._shape = ""
        self._rows: dict[str, str] = {}
        """What the migrations wrote, by table; "" of what they left empty."""

    def address(self, name: str) -> str:
        return f"{self._server.rsplit('/', 1)[0]}/{name}"

    async def learn(self) -> None:
        """Look at the template, which is migrated by now."""
        async with _connected(self.address(TEMPLATE)) as template:
            self._shape = await template.fetchval(SHAPE)
            tables = [row["relname"] for row in await template.fetch(TABLES)]
            self._rows = {table: await _rows(template, table) for table in tables}

    async def lend(self) -> str:
        """The name of a database that nobody else has."""
        if self._free:
            return self._free.pop()
        name = f"test_{next(self._numbers)}"
        async with _connected(self._server) as server:
            await server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        return name

    async def take_back(self, name: str) -> None:
        """Keep it for another test if it can be as it was; else drop it."""
        if await self._cleaned(name):
            self._free.append(name)
            return
        async with _connected(self._server) as server:
            await server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def _cleaned(self, name: str) -> bool:
        try:
            async with _connected(self.address(name)) as database:
                await database.fetch(END)
                if await database.fetchval(SHAPE) != self._shape:
                    return False
                await self._clean(database)
                return not await database.fetch(OTHERS)  # somebody of the test may have come back
        except asyncpg.PostgresError:  # it let nobody in, say; a new one does
            return False

    async def _clean(self, database: asyncpg.Connection) -> None:
        looks = (f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in self._rows)
        filled = {row[0] for row in await database.fetch(" UNION ALL ".join(looks))}
        changed = [table for table in filled if self._rows[table] != await _rows(database, table)]
        if changed:
            await database.execute(f"TRUNCATE {', '.join(changed)} RESTART IDENTITY CASCADE")
        for sequence in await database.fetch(USED):
            await database.execute(f"ALTER SEQUENCE {sequence['name']} RESTART")
        for table, rows in self._rows.items():
            if rows and await _rows(database, table) != rows:
                fill = f"INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, $1)"
                await database.execute(fill, rows)


async def _rows(database: asyncpg.Connection, table: str) -> str:
    found = await database.fetchval(f"SELECT json_agg(t ORDER BY t::text)::text FROM {table} t")
    return found or ""


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(address)
    try:
        yield connection
    finally:
        await connection.close()
