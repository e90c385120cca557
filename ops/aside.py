"""Owns what is done by hand with work that was set aside."""

from collections.abc import Sequence

from bus import parked
from ops.pool import database
from ops.settings import Settings


async def find(
    settings: Settings, group: str | None, states: list[str], limit: int
) -> list[parked.ParkedEvent]:
    async with database(settings) as pool:
        return await parked.find(pool, group, states, limit)


async def show(settings: Settings, group: str | None, seq: int) -> list[parked.ParkedEvent]:
    async with database(settings) as pool:
        return await parked.show(pool, group, seq)


async def redrive(settings: Settings, group: str, seqs: Sequence[int] | None) -> int:
    async with database(settings) as pool, pool.acquire() as tx:
        return await parked.redrive(tx, group, seqs)
