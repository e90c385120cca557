"""Owns what every process must agree on before it starts: the database's streams and their number."""

from dataclasses import dataclass

from bus.base import events_stream
from schemas.db import Connection
from schemas.errors import ExplainedError


class PartitionsError(ExplainedError):
    """The setting contradicts the database; the message names both numbers."""


@dataclass(frozen=True, slots=True)
class Instance:
    """Which database this is: `prefix` keeps its streams apart from another database's."""

    prefix: str
    partitions: int


async def agree(tx: Connection, wanted: int | None) -> Instance:
    """Fix the number of partitions at the first start; raises PartitionsError when it was another."""
    row = await tx.fetchrow(
        "UPDATE hub_meta SET partitions = coalesce(partitions, $1, 8) RETURNING instance, partitions", wanted
    )
    if row is None:
        raise PartitionsError("the database has no hub_meta row: run `hub migrate`")
    if wanted is not None and row["partitions"] != wanted:
        raise PartitionsError(
            f"HUB_PARTITIONS is {wanted}, but this database was made with {row['partitions']}:"
            " the order of events depends on it, so it cannot change; set it back"
        )
    await tx.execute(
        "INSERT INTO relay_heads SELECT unnest($1::text[]), 0 ON CONFLICT DO NOTHING",
        [events_stream(partition) for partition in range(row["partitions"])],
    )
    return Instance(f"hub-{row['instance'].hex[:8]}", row["partitions"])
