"""Owns `hub up`: every role in one process, with a PostgreSQL and a Valkey of its own where none is given."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from ops.bot_process import keep_bot
from ops.effective import with_auth
from ops.embedded.data_dir import DataDir
from ops.embedded.postgres import EmbeddedPostgres
from ops.embedded.progress import say
from ops.embedded.supervisor import Supervisor
from ops.embedded.valkey import EmbeddedValkey
from ops.loop import run
from ops.migrating import apply
from ops.run import bind, everything, url_of
from ops.settings import Auth, Settings
from ops.simulators.running import Simulators
from schemas.migrate import ChangedMigrationError, MigrationError


def up(settings: Settings, host: str, port: int, *, simulate: bool = True, fallbacks: bool = False) -> None:
    """Start everything, say so, and stop everything on a signal; raises with one clear sentence."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    data_dir = DataDir(settings.data_dir)
    if not data_dir.path.exists():
        bind(host, port).close()  # no folder is made for a hub that cannot start
    with data_dir, bind(host, port) as listening:
        postgres = EmbeddedPostgres(data_dir) if settings.database_url is None else None
        valkey = EmbeddedValkey(data_dir) if settings.redis_url is None else None
        supervisor = Supervisor(*(service for service in (postgres, valkey) if service))
        try:
            supervisor.start()
            known = _with_addresses(settings, postgres, valkey)
            for name in _migrate(known, data_dir, embedded=postgres is not None):
                say(f"applied the migration {Path(name).stem}")
            own = known.auth == Auth()  # the development sign-in goes with the development secret only
            url = url_of(listening)
            simulators = Simulators(known, data_dir, url, fallbacks=fallbacks) if simulate else None
            known = _simulated(with_auth(known), simulators)
            urls = simulators.urls if simulators else {}
            announced = asyncio.Event()
            run(
                everything(
                    known,
                    listening,
                    lambda url: _announce(data_dir, known, url, urls, announced),
                    lambda: _beside(supervisor, simulators),
                    lambda: _bot(known, announced),
                    dev_secret=data_dir.auth_secret() if own else None,
                    simulators=urls,
                )
            )
        finally:
            data_dir.remove_hub_json()
            supervisor.stop()


def _simulated(settings: Settings, simulators: Simulators | None) -> Settings:
    return simulators.settings(settings) if simulators else settings


async def _beside(supervisor: Supervisor, simulators: Simulators | None) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.watch())
        if simulators:
            group.create_task(simulators.run())


async def _bot(settings: Settings, announced: asyncio.Event) -> None:
    if settings.telegram.configured:  # it finds the hub by what is announced
        await keep_bot(settings.data_dir, announced)


def _migrate(settings: Settings, data_dir: DataDir, *, embedded: bool) -> list[str]:
    try:
        return asyncio.run(apply(settings))
    except ChangedMigrationError as error:
        if not embedded:
            raise
        raise MigrationError(
            f"{error.name} was changed after it had been applied to the database in {data_dir.path}: while"
            f" developing, `rm -r {shlex.quote(str(data_dir.path))}` starts afresh, without the data; to keep"
            " the data, put the file back and write a new migration"
        ) from error


def _with_addresses(
    settings: Settings, postgres: EmbeddedPostgres | None, valkey: EmbeddedValkey | None
) -> Settings:
    found: dict[str, object] = {}
    if postgres:
        found["database_url"] = SecretStr(postgres.dsn)
    if valkey:
        found["redis_url"] = SecretStr(valkey.url)
    return settings.model_copy(update=found)


def _announce(
    data_dir: DataDir, settings: Settings, url: str, simulators: Mapping[str, str], announced: asyncio.Event
) -> None:
    data_dir.write_hub_json(
        {
            "url": url,
            "pid": os.getpid(),
            "database_url": settings.database_url.get_secret_value() if settings.database_url else None,
            "redis_url": settings.redis_url.get_secret_value() if settings.redis_url else None,
            "simulators": dict(simulators),
        }
    )
    announced.set()
    print(f"hub ready {url}", flush=True)  # noqa: T201  scripts wait for this very line
