"""Owns the rows of socket sessions that may be recovered; one statement per method, many rows at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from schemas.db import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketSession:
    """One namespace of one client: what it may be given back, on any gateway."""

    pid: str
    sid: str
    namespace: str
    user: str
    rooms: Mapping[str, int] = field(default_factory=dict)
    """Room: the number after which its entries are owed."""
    as_of: int
    """The rooms were these when the entry with this number had been delivered."""
    heard: int
    """Above this number, up to `as_of`, there was no entry for these rooms."""
    connected: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What must fit before a session changes hands."""

    pid: str
    namespace: str
    user: str


COLUMNS: Final = "pid, sid, namespace, user_id, rooms, as_of, heard, connected"
GIVEN: Final = f"""
unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::boolean[])
    AS u ({COLUMNS})
"""

# Again after an answer that got lost, the row is there already.
BEGIN: Final = f"""
INSERT INTO socket_sessions AS s (pid, sid, namespace, user_id, gateway, rooms, as_of, heard, left_at)
SELECT pid, sid, namespace, user_id, $1, rooms::jsonb, as_of, heard, CASE WHEN NOT connected THEN now() END
FROM {GIVEN} ORDER BY pid
ON CONFLICT (pid) DO UPDATE SET rooms = excluded.rooms, as_of = excluded.as_of, heard = excluded.heard,
                                left_at = excluded.left_at
WHERE s.gateway = excluded.gateway RETURNING pid
"""

# In one order everywhere, or two gateways that disagree about many sessions would lock each other out.
MINE: Final = """
SELECT o.pid FROM socket_sessions o WHERE o.pid = ANY($2) AND o.gateway = $1 ORDER BY o.pid FOR UPDATE
"""

SAVE: Final = f"""
WITH mine AS ({MINE})
UPDATE socket_sessions s SET rooms = u.rooms::jsonb, as_of = u.as_of, heard = u.heard,
                             left_at = CASE WHEN NOT u.connected THEN now() END
FROM mine JOIN {GIVEN} ON u.pid = mine.pid
WHERE s.pid = mine.pid RETURNING s.pid
"""

# The row stays for a while: without it an older gateway of the client could not know that it left.
END: Final = f"""
WITH mine AS ({MINE})
UPDATE socket_sessions s SET gateway = '', rooms = '{{}}', left_at = now() FROM mine WHERE s.pid = mine.pid
"""

# Until the new gateway says otherwise, the client is not there. What the old one said about numbers above
# its last word on this session is about the rooms alone.
TAKE: Final = """
WITH was AS (
    SELECT o.pid,
           CASE WHEN o.left_at IS NULL THEN greatest(o.as_of, g.seq) ELSE o.as_of END AS as_of,
           CASE WHEN o.left_at IS NULL THEN greatest(o.as_of, g.seq) ELSE o.heard END AS heard
    FROM socket_sessions o
    JOIN unnest($2::text[], $3::text[], $4::text[]) AS u (pid, namespace, user_id)
      ON (o.pid, o.namespace, o.user_id) = (u.pid, u.namespace, u.user_id)
    LEFT JOIN gateways g ON g.id = o.gateway
    WHERE o.gateway <> '' AND coalesce(o.left_at, g.seen_at) > now() - make_interval(secs => $5)
    ORDER BY o.pid FOR UPDATE OF o
)
UPDATE socket_sessions s SET gateway = $1, as_of = was.as_of, heard = was.heard, left_at = now()
FROM was WHERE s.pid = was.pid
RETURNING s.pid, s.sid, s.namespace, s.user_id AS user, s.rooms, s.as_of, s.heard, false AS connected
"""

SEEN: Final = """
INSERT INTO gateways (id, seq, seen_at) VALUES ($1, $2, now())
ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, seen_at = excluded.seen_at
"""

# What somebody has locked is left to the next sweep; a gateway goes after the last of its sessions.
SWEEP: Final = """
WITH old AS (
    SELECT o.pid FROM socket_sessions o
    WHERE o.left_at < now() - make_interval(secs => $1)
       OR o.gateway IN (SELECT id FROM gateways WHERE seen_at < now() - make_interval(secs => 2 * $1))
    ORDER BY o.pid FOR UPDATE SKIP LOCKED
), empty AS (
    DELETE FROM gateways g WHERE g.seen_at < now() - make_interval(secs => 2 * $1)
    AND NOT EXISTS (SELECT FROM socket_sessions s WHERE s.gateway = g.id)
)
DELETE FROM socket_sessions s USING old WHERE s.pid = old.pid
"""


class SocketSessions:
    """The sessions of all gateways, as one of them sees and changes them."""

    def __init__(self, pool: Pool, gateway: str, window_s: float) -> None:
        self._pool = pool
        self._gateway = gateway
        self._window_s = window_s

    async def begin(self, sessions: Sequence[SocketSession]) -> set[str]:
        """Insert rows; answers the pids of those that are this gateway's now."""
        return await self._write(BEGIN, sessions)

    async def save(self, sessions: Sequence[SocketSession]) -> set[str]:
        """Replace rows of this gateway; answers the pids of those that still are."""
        return await self._write(SAVE, sessions)

    async def _write(self, statement: str, sessions: Sequence[SocketSession]) -> set[str]:
        columns: list[Sequence[Any]] = [
            [one.pid for one in sessions],
            [one.sid for one in sessions],
            [one.namespace for one in sessions],
            [one.user for one in sessions],
            [orjson.dumps(dict(one.rooms)).decode() for one in sessions],
            [one.as_of for one in sessions],
            [one.heard for one in sessions],
            [one.connected for one in sessions],
        ]
        return {row["pid"] for row in await self._pool.fetch(statement, self._gateway, *columns)}

    async def end(self, pids: Sequence[str]) -> None:
        """Note that clients left for good, as far as their sessions are this gateway's."""
        await self._pool.execute(END, self._gateway, list(pids))

    async def take(self, wanted: Sequence[Wanted]) -> dict[str, SocketSession]:
        """Take sessions over from whichever gateway they are at; who left too long ago is not among them."""
        rows = await self._pool.fetch(
            TAKE,
            self._gateway,
            [one.pid for one in wanted],
            [one.namespace for one in wanted],
            [one.user for one in wanted],
            self._window_s,
        )
        return {row["pid"]: SocketSession(**row) for row in rows}

    async def seen(self, seq: int) -> None:
        """Note that this gateway lives; what it changed in sessions up to a number is stored."""
        await self._pool.execute(SEEN, self._gateway, seq)

    async def sweep(self) -> None:
        """Delete what nobody can come back to any more."""
        await self._pool.execute(SWEEP, self._window_s)
