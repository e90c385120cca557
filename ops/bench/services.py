"""Owns the surroundings of a measurement: a PostgreSQL and a Valkey of its own, gone afterwards."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from bus.base import PUSH
from bus.partitions import agree
from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.valkey import EmbeddedValkey
from schemas.db import connect
from schemas.migrate import migrate


@dataclass(frozen=True, slots=True)
class Services:
    """What the servers and the generator are told."""

    folder: Path
    database_url: str
    redis_url: str
    redis_port: int
    redis_password: str
    auth_secret: str
    push_stream: str
    valkey_version: str
    valkey: EmbeddedValkey

    def forget(self, stream: str) -> None:
        """Begin a run with an empty stream."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.delete(stream)


@contextmanager
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-bench-")))
        data_dir = stack.enter_context(DataDir(folder / "data"))
        postgres, valkey = EmbeddedPostgres(data_dir), EmbeddedValkey(data_dir)
        stack.callback(postgres.stop)
        postgres.start()
        stack.callback(valkey.stop)
        valkey.start()
        yield Services(
            folder=folder,
            database_url=postgres.dsn,
            redis_url=valkey.url,
            redis_port=valkey.port,
            redis_password=data_dir.secret("valkey_password"),
            auth_secret=data_dir.auth_secret(),
            push_stream=asyncio.run(_push_stream(postgres.dsn)),
            valkey_version=_valkey_version(valkey.url),
            valkey=valkey,
        )


async def _push_stream(dsn: str) -> str:
    """Migrate, and name the stream as every process of this database does."""
    await migrate(dsn)
    connection = await connect(dsn)
    try:
        instance = await agree(connection, None)
    finally:
        await connection.close()
    return f"{instance.prefix}:{PUSH}"


def _valkey_version(url: str) -> str:
    with redis.Redis.from_url(url) as client:
        info = client.info("server")
    return str(info.get("valkey_version", info["redis_version"]))
