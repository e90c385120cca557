"""Owns rebuilding what a group made: the group begins anew, without it."""

from datetime import datetime

from bus.positions import lock_group, rewind
from ops.pool import UNLIMITED_S, database
from ops.settings import Settings
from ops.wiring import table_of_consumers
from schemas.errors import ExplainedError


class ReplayError(ExplainedError):
    """The group cannot be rebuilt; the message says why."""


async def replay(settings: Settings, group: str, since: datetime | None) -> None:
    consumer = next(consumer for consumer in table_of_consumers() if consumer.group == group)
    if consumer.reset is None:
        raise ReplayError(f"{group} cannot be rebuilt: what it did went out and would go out again")
    async with (
        database(settings, statement_timeout_s=UNLIMITED_S) as pool,
        pool.acquire() as tx,
        tx.transaction(),
    ):
        await lock_group(tx, group)
        await rewind(tx, group, await consumer.reset(tx, since))
