"""Owns who works on which partition of a group, and how far the group has come; in PostgreSQL."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bus import commits
from schemas.db import Connection, Source

BEAT: Final = """
INSERT INTO workers (grp, id, seen_at) VALUES ($1, $2, clock_timestamp())
ON CONFLICT (grp, id) DO UPDATE SET seen_at = clock_timestamp()
"""
ALIVE: Final = """
SELECT count(*) FROM workers WHERE grp = $1 AND seen_at > clock_timestamp() - make_interval(secs => $2)
"""
RENEW: Final = """
UPDATE consumer_positions SET lease_until = clock_timestamp() + make_interval(secs => $3)
WHERE grp = $1 AND owner = $2 RETURNING partition, epoch, seq
"""
CLAIM: Final = """
UPDATE consumer_positions p
SET owner = $2, epoch = p.epoch + 1, lease_until = clock_timestamp() + make_interval(secs => $3)
FROM (SELECT partition FROM consumer_positions
      WHERE grp = $1 AND (owner IS NULL OR lease_until < clock_timestamp())
      ORDER BY partition LIMIT $4 FOR UPDATE SKIP LOCKED) free
WHERE p.grp = $1 AND p.partition = free.partition RETURNING p.partition, p.epoch, p.seq
"""
RELEASE: Final = """
UPDATE consumer_positions SET owner = NULL, lease_until = NULL
WHERE grp = $1 AND owner = $2 AND partition = ANY($3)
"""
# Only to a number that the log gave: a stream may hold another history until the relay looks at it.
ADVANCE: Final = """
WITH moved AS (
    UPDATE consumer_positions SET seq = $5
    WHERE grp = $1 AND partition = $2 AND epoch = $3 AND seq = $4
      AND EXISTS (SELECT 1 FROM relay_log r WHERE r.seq = $5 AND r.partition = $2)
    RETURNING seq
)
INSERT INTO consumer_commits (grp, partition, seq) SELECT $1, $2, seq FROM moved
ON CONFLICT (grp, partition, seq) DO UPDATE SET at = excluded.at
RETURNING seq
"""
LAST_BEFORE: Final = (
    "SELECT seq FROM relay_log WHERE relayed_at < $1 ORDER BY relayed_at DESC, seq DESC LIMIT 1"
)


class LostLeaseError(Exception):
    """The position is not where we thought: what was done in this transaction must not be committed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one partition; `epoch` ends it when somebody else takes over."""

    group: str
    partition: int
    epoch: int
    seq: int


class Positions:
    """Leases and positions of one group for one worker."""

    def __init__(self, group: str, worker: str, lease_s: float) -> None:
        self.group = group
        self._worker = worker
        self._lease_s = lease_s

    async def prepare(self, source: Source, partitions: int) -> None:
        """Make the group known; a new group begins at the start of the log."""
        await source.execute(
            "INSERT INTO consumer_positions (grp, partition) SELECT $1, generate_series(0, $2::int - 1)"
            " ON CONFLICT DO NOTHING",
            self.group,
            partitions,
        )

    async def renew(self, source: Source) -> list[Lease]:
        """Show that this worker lives; answers the partitions that it still holds."""
        await source.execute(BEAT, self.group, self._worker)
        return [
            Lease(self.group, row["partition"], row["epoch"], row["seq"])
            for row in await source.fetch(RENEW, self.group, self._worker, self._lease_s)
        ]

    async def claim(self, source: Source, most: int) -> list[Lease]:
        """Take up to `most` partitions that nobody holds."""
        return [
            Lease(self.group, row["partition"], row["epoch"], row["seq"])
            for row in await source.fetch(CLAIM, self.group, self._worker, self._lease_s, most)
        ]

    async def release(self, source: Source, partitions: Collection[int]) -> None:
        """Give partitions back, so that another worker need not wait for the lease to end."""
        await source.execute(RELEASE, self.group, self._worker, list(partitions))

    async def share(self, source: Source, partitions: int) -> int:
        """Answer how many partitions are this worker's part among the workers alive."""
        alive = max(1, int(await source.fetchval(ALIVE, self.group, self._lease_s)))
        return -(-partitions // alive)

    async def leave(self, source: Source) -> None:
        """Say good-bye: the others' shares grow at once."""
        await source.execute("DELETE FROM workers WHERE grp = $1 AND id = $2", self.group, self._worker)


async def advance(tx: Connection, lease: Lease, before: int, after: int) -> None:
    """Move a position, in the transaction of the work itself; raises LostLeaseError when it is not ours.

    The row stays locked until the commit, so that no other worker can take over in between.
    """
    moved = await tx.fetchval(ADVANCE, lease.group, lease.partition, lease.epoch, before, after)
    if moved is None:
        raise LostLeaseError(
            f"{lease.group}/{lease.partition} was taken over, or its stream holds what the log does not"
        )


async def hold(tx: Connection, lease: Lease) -> None:
    """Lock a position where it is, for work that does not move it; raises LostLeaseError likewise."""
    found = await tx.fetchval(
        "SELECT 1 FROM consumer_positions WHERE grp = $1 AND partition = $2 AND epoch = $3 FOR UPDATE",
        lease.group,
        lease.partition,
        lease.epoch,
    )
    if found is None:
        raise LostLeaseError(f"{lease.group}/{lease.partition} was taken over")


async def lock_group(tx: Connection, group: str) -> None:
    """Wait for the work in progress of a group and keep its workers from committing more."""
    await tx.execute("SELECT 1 FROM consumer_positions WHERE grp = $1 ORDER BY partition FOR UPDATE", group)


async def rewind(tx: Connection, group: str, start: datetime | None) -> None:
    """Put a locked group back to an instant (None: the beginning); whoever works on it loses its leases."""
    before = 0
    if start is not None:
        before = await tx.fetchval(LAST_BEFORE, start) or 0
    await tx.execute(
        "UPDATE consumer_positions SET epoch = epoch + 1, owner = NULL, lease_until = NULL,"
        " seq = least(seq, coalesce((SELECT max(r.seq) FROM relay_log r"
        "   WHERE r.partition = consumer_positions.partition AND r.seq <= $2), 0)) WHERE grp = $1",
        group,
        before,
    )
    await tx.execute("DELETE FROM parked WHERE grp = $1 AND seq > $2", group, before)
    await commits.forget_after(tx, group, before)
