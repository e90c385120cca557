"""Owns how PostgreSQL is reached: the pool, its codecs and its time-outs."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import asyncpg
import orjson
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection of our own, outside every pool."""
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Source: TypeAlias = "Connection | Pool"
"""Where a single statement may run: it needs no transaction."""
Row: TypeAlias = "asyncpg.Record | Mapping[str, Any]"

STATEMENT_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10
PAUSED_S = 10
"""After so many idle seconds inside a transaction or an answer the server ends the session."""

# What a caller may simply do again: the server is away, restarting, or chose this transaction to give way.
RETRYABLE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what a query meets that runs into a closing connection
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidCachedStatementError,
)


class _Connection(asyncpg.Connection):  # not generic when it runs
    """A pooled connection: no statement of ours leaves session state behind that would need a reset."""

    def get_reset_query(self) -> str:
        return ""  # saves a round trip each time a connection goes back to the pool


async def prepare(connection: Connection) -> None:
    """Give a new connection the codecs that every statement of ours counts on."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_to_jsonb, decoder=_from_jsonb
    )


def _to_jsonb(value: Any) -> bytes:
    return b"\x01" + orjson.dumps(value)  # the binary form of jsonb begins with its version


def _from_jsonb(value: bytes) -> Any:
    return orjson.loads(value[1:])


async def connect(dsn: str, *, command_timeout_s: float | None = None) -> Session:
    """Open one connection of our own, for LISTEN or a session lock. Raises OSError or PostgresError.

    With a time-out, a statement to a server that is gone without a word raises TimeoutError.
    """
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout_s,
        server_settings={"timezone": "UTC"},
    )
    await prepare(connection)
    return connection


async def create_pool(
    dsn: str, *, min_size: int = 1, max_size: int = 16, statement_timeout_s: int = STATEMENT_TIMEOUT_S
) -> Pool:
    """Open a pool. Raises OSError or PostgresError when the server cannot be reached or refuses us.

    A transaction whose process was stopped in the middle is ended by the server, with the locks it held.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=statement_timeout_s or None,
        init=prepare,
        connection_class=_Connection,
        server_settings={
            "timezone": "UTC",
            "statement_timeout": f"{statement_timeout_s}s",
            "idle_in_transaction_session_timeout": f"{PAUSED_S}s",
            "tcp_user_timeout": f"{PAUSED_S}s",  # who stops reading a large answer is not idle to the server
        },
    )
