"""Owns reads of the relay's log in PostgreSQL: what every gap in a stream is filled from."""

from collections.abc import Callable
from typing import Any, Final

from bus.base import PUSH, Entry
from bus.render import event_entry, push_entry
from schemas.db import Row, Source
from schemas.store.events import COLUMNS

FROM: Final = (
    "SELECT r.seq, r.prev, r.push_prev, r.control, r.target, r.packet, r.relayed_at,"
    f" {COLUMNS} FROM relay_log r"
    " LEFT JOIN events e ON e.id = r.event_id AND e.accepted_at = r.accepted_at"
)
OLDER: Final = (
    "SELECT seq FROM relay_log WHERE relayed_at < clock_timestamp() - make_interval(secs => $1)"
    " ORDER BY relayed_at DESC LIMIT 1"
)
PUSH_UPTO: Final = (
    "SELECT seq FROM relay_log WHERE push_prev IS NOT NULL AND seq <= $1 ORDER BY seq DESC LIMIT 1"
)
PUSH_FIRST: Final = "SELECT push_prev FROM relay_log WHERE push_prev IS NOT NULL ORDER BY seq LIMIT 1"


class RelayLog:
    """The log by stream: events of one partition, or what sockets get."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def events(self, partition: int, after: int, limit: int) -> list[Entry]:
        """Answer up to `limit` entries of a partition above a number."""
        query = f"{FROM} WHERE r.partition = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3"
        return _entries(event_entry, await self._source.fetch(query, partition, after, limit))

    async def push(self, after: int, limit: int) -> list[Entry]:
        """Answer up to `limit` entries of the push stream above a number."""
        query = f"{FROM} WHERE r.push_prev IS NOT NULL AND r.seq > $1 ORDER BY r.seq LIMIT $2"
        return _entries(push_entry, await self._source.fetch(query, after, limit))

    async def push_floor(self, window_s: float) -> int:
        """Answer the number before the first push entry that was relayed within a window of seconds."""
        older = await self._source.fetchval(OLDER, window_s)
        before = await self._source.fetchval(PUSH_UPTO, older or 0)
        if before is None:
            head = await self.head(PUSH)  # where retention took everything
            before = await self._source.fetchval(PUSH_FIRST)
            before = head if before is None else before
        return int(before)

    async def one(self, seq: int) -> Entry:
        """Answer the entry of one event by its number."""
        row = await self._source.fetchrow(f"{FROM} WHERE r.seq = $1", seq)
        if row is None:
            return Entry(seq, 0, [])
        return event_entry(row)

    async def head(self, stream: str) -> int:
        """Answer the last number of a stream: `log`, `push` or `events:{p}`."""
        found = await self._source.fetchval("SELECT seq FROM relay_heads WHERE stream = $1", stream)
        return int(found or 0)


def _entries(render: Callable[[Row], Entry], rows: list[Any]) -> list[Entry]:
    return [render(row) for row in rows]
