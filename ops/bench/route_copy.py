"""Owns the bare COPY that a walk is compared with: the same rows into tables with the same indexes."""

import io
from typing import Final

from ops.bench.route_meter import Cost, cost_of
from schemas.db import Pool
from schemas.store import decisions, deliveries, notifications

TABLES: Final = {
    "notifications": notifications.NAMES,
    "decisions": decisions.NAMES,
    "deliveries": deliveries.NEW,
}
SCHEMA: Final = "bare"


class BareCopy:
    """Knows the rows of the last walk, in the form in which they are sent."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rows: dict[str, bytes] = {}
        self.people = 0

    async def prepare(self) -> None:
        await self._pool.execute(f"CREATE SCHEMA {SCHEMA}")
        for table in TABLES:
            await self._pool.execute(f"CREATE TABLE {SCHEMA}.{table} (LIKE public.{table} INCLUDING ALL)")

    async def take(self) -> None:
        """Read what was written."""
        async with self._pool.acquire() as connection:
            for table, columns in TABLES.items():
                rows = io.BytesIO()
                await connection.copy_from_table(table, columns=columns, output=rows, format="binary")
                self._rows[table] = rows.getvalue()
        self.people = await self._pool.fetchval("SELECT count(*) FROM decisions")

    async def copy(self) -> tuple[Cost, int]:
        """Write it again; answers what that cost, and for how many people."""
        for table in TABLES:
            await self._pool.execute(f"TRUNCATE {SCHEMA}.{table}")
        cost = await cost_of(self._copy(), self._pool)
        return cost, int(await self._pool.fetchval(f"SELECT count(*) FROM {SCHEMA}.decisions"))

    async def _copy(self) -> None:
        async with self._pool.acquire() as tx, tx.transaction():
            for table, columns in TABLES.items():
                await tx.copy_to_table(
                    table,
                    schema_name=SCHEMA,
                    columns=columns,
                    source=io.BytesIO(self._rows[table]),
                    format="binary",
                )
