"""Owns the check-up of a hub's surroundings: each finding says what is so, and what to do about it."""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import asyncpg
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from bus.gauges import LAG
from bus.partitions import PartitionsError
from bus.redis_servers import addresses
from bus.relay import LOCK
from ops.doctor_providers import examine_providers, left_alone
from ops.finding import Finding
from ops.run import patience_of
from ops.settings import Settings
from schemas import migrate
from schemas.db import Session, connect

LEAST_FREE: Final = 500_000_000
LEAST_REDIS: Final = (7, 0)
MOST_LAG: Final = 1000
SLOTS: Final = 16384
WEB: Final = Path(__file__).parent.parent / "gateways" / "web"
GIVEN_UP: Final = {
    "events": "parked WHERE state = 'dead'",
    "walks": "walks WHERE state = 'dead'",
    "updates of Telegram": "telegram_updates WHERE state = 'dead'",
}
UNSENT: Final = {
    "failed deliveries": "deliveries WHERE status = 'failed'",
    "unknown deliveries": "deliveries WHERE status = 'unknown'",
}
"""Worth a look, but no fault of the hub: addresses are gone every day."""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything; a broken part does not keep the others from being looked at."""
    return [
        *await _database(settings),
        await _redis(settings),
        *await examine_providers(settings),
        _tokens(settings),
        _web_client(),
        _disk(settings),
        _files(settings),
    ]


async def _database(settings: Settings) -> list[Finding]:
    if settings.database_url is None:
        return [Finding("database", False, "no address: start `hub up`, or set HUB_DATABASE_URL")]
    try:
        connection = await connect(settings.database_url.get_secret_value())
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        return [
            Finding(
                "database", False, f"cannot be reached ({error}): is it running, is HUB_DATABASE_URL right?"
            )
        ]
    try:
        found = [await _look(what, look, connection) for what, look in FIRST.items()]
        if not all(one.well for one in found if one.what == "migrations"):
            later = "not looked at: they need the tables of this version"
            return [*found, Finding(", ".join(THEN), False, later)]
        return found + [await _look(what, look, connection) for what, look in THEN.items()]
    finally:
        await connection.close()


async def _look(what: str, look: "Look", connection: Session) -> Finding:
    try:
        return await look(connection)
    except (asyncpg.PostgresError, migrate.MigrationError, PartitionsError) as error:
        return Finding(what, False, str(error))


async def _version(connection: Session) -> Finding:
    version = await connection.fetchval("SHOW server_version")
    well = connection.get_server_version().major >= 15
    return Finding("database", well, f"PostgreSQL {version} (15 or newer is needed)")


async def _migrations(connection: Session) -> Finding:
    await migrate.check(connection)
    return Finding("migrations", True, "up to date")


async def _relay(connection: Session) -> Finding:
    leads = await connection.fetchval(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = $1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        LOCK,
    )
    waiting = await connection.fetchval("SELECT count(*) FROM outbox")
    if not leads:
        return Finding("relay", False, f"nobody leads, {waiting} entries wait: start `hub work` or `hub up`")
    return Finding("relay", waiting < MOST_LAG, f"leads; {waiting} entries wait")


async def _groups(connection: Session) -> Finding:
    idle = await connection.fetch(
        "SELECT grp, count(*) AS n FROM consumer_positions"
        " WHERE owner IS NULL OR lease_until < clock_timestamp() GROUP BY grp"
    )
    says = ", ".join(f"{row['grp']}: {row['n']} partitions without a worker" for row in idle)
    if idle:
        return Finding("groups", False, f"{says}: start `hub work`")
    lags = {row["grp"]: row["events"] for row in await connection.fetch(LAG)}
    says = ", ".join(f"{group} is {lag:,} events behind" for group, lag in lags.items() if lag)
    well = all(lag < MOST_LAG for lag in lags.values())
    return Finding("groups", well, "every partition has a worker" + (f"; {says}" if says else ""))


async def _dead(connection: Session) -> Finding:
    """What was given up and waits for somebody to look at it."""
    found = {
        kind: await connection.fetchval(f"SELECT count(*) FROM {rows}")
        for kind, rows in (GIVEN_UP | UNSENT).items()
    }
    says = ", ".join(f"{count} {kind}" for kind, count in found.items() if count)
    return Finding(
        "dead work",
        not any(found[kind] for kind in GIVEN_UP),
        f"{says}: `hub dlq list --state dead` shows them" if says else "none",
    )


Look = Callable[[Session], Awaitable[Finding]]
FIRST: Final[dict[str, Look]] = {"database": _version, "migrations": _migrations}
THEN: Final[dict[str, Look]] = {
    "relay": _relay,
    "groups": _groups,
    "dead work": _dead,
    "providers": left_alone,
}


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding("redis", False, "no address: start `hub up`, or set HUB_REDIS_URL")
    failure: Exception | None = None
    for url in addresses(settings.redis_url.get_secret_value()):
        client = aioredis.Redis.from_url(url, socket_timeout=2)
        try:
            return await _server(client)
        except (RedisError, OSError) as error:
            failure = error
        finally:
            await client.aclose()
    return Finding("redis", False, f"cannot be reached ({failure}): is it running, is HUB_REDIS_URL right?")


async def _server(client: aioredis.Redis) -> Finding:
    info = await client.info()
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version", info["redis_version"]))
    well = tuple(int(part) for part in version.split(".")[:2]) >= LEAST_REDIS
    says = f"{name} {version} (7.0 or newer is needed)"
    if info.get("cluster_enabled"):
        cluster = await client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
        served = int(cluster["cluster_slots_assigned"]) - int(cluster["cluster_slots_fail"])
        if served < SLOTS or cluster["cluster_state"] != "ok":
            return Finding(
                "redis",
                False,
                f"{says}, a cluster that serves {served} of {SLOTS} slots; the others' streams are read from"
                " PostgreSQL, which is slower: `CLUSTER NODES` shows who is missing",
            )
        says += f", a cluster of {cluster['cluster_size']} primaries that serves all slots"
    return Finding("redis", well, says)


def _tokens(settings: Settings) -> Finding:
    auth = settings.auth
    if not (auth.secret or auth.public_key or auth.jwks_url):
        return Finding("tokens", False, "set HUB_AUTH__SECRET, HUB_AUTH__PUBLIC_KEY or HUB_AUTH__JWKS_URL")
    return Finding(
        "tokens",
        True,
        "checked by " + ("secret" if auth.secret else "public key" if auth.public_key else "JWKS"),
    )


def _web_client() -> Finding:
    well = (WEB / "node_modules" / "socket.io-client").is_dir()
    return Finding(
        "web client", well, "its libraries are there" if well else "its libraries are missing: `make .venv`"
    )


def _disk(settings: Settings) -> Finding:
    folder = next(
        path
        for path in (settings.data_dir.absolute(), *settings.data_dir.absolute().parents)
        if path.exists()
    )
    free = shutil.disk_usage(folder).free
    return Finding("disk", free > LEAST_FREE, f"{free // 1_000_000:,} MB free in {folder}")


def _files(settings: Settings) -> Finding:
    """Never wrong: the limit is that of this shell, and a service has one of its own."""
    most, wanted = patience_of(settings).most, settings.limits.connections
    says = f"started from here, a process takes up to {most:,} connections"
    if most < wanted:
        says += (
            f", fewer than the {wanted:,} sockets of HUB_LIMITS__CONNECTIONS: raise the hard limit"
            " (ulimit -Hn; LimitNOFILE of a service) to serve more"
        )
    return Finding("open files", True, says)
