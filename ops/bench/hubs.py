"""Owns the hub as it is measured: the doors alone on a stream of the generator's, or the whole way in."""

import asyncio
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from bus.relay import LOCK
from gateways.auth import issue
from ops.bench.children import Child, answers, running
from ops.bench.servers import START_SECONDS
from ops.bench.services import Services
from schemas.clock import SystemClock
from schemas.db import connect

_RAISED = {
    # All clients come from one address here, which the limit is made against.
    "HUB_LIMITS__CONNECT_RATE": "1000000",
    "HUB_LIMITS__CONNECT_BURST": "1000000",
}
_TOKEN_LIFE = timedelta(hours=6)


def without_settings() -> dict[str, str]:
    """The environment, without what the shell has set for another hub."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}


def environment_of(services: Services) -> dict[str, str]:
    """What a hub is told; what the shell has set for another one must not count here."""
    return (
        without_settings()
        | _RAISED
        | {
            "HUB_DATA_DIR": str(services.folder / "data"),
            "HUB_DATABASE_URL": services.database_url,
            "HUB_REDIS_URL": services.redis_url,
            "HUB_AUTH__SECRET": services.auth_secret,
            "HUB_LOG_LEVEL": "warning",
        }
    )


class Hub:
    """`hub serve` as it is shipped, without a relay: the generator writes the stream in its place."""

    name = "hub"
    notes: tuple[str, ...] = (
        "hub: every limit is enforced; the connect rate per address is raised, because all clients have "
        "one address here (" + ", ".join(f"{key}={value}" for key, value in _RAISED.items()) + ")",
    )

    def __init__(self, services: Services) -> None:
        self._services = services
        self.stream = services.push_stream
        packages = ("hub", "python-socketio", "aiohttp")
        self.versions = {package: version(package) for package in packages}

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        with self._role("serve", cores, "--port", str(port)) as child:
            child.wait_until(lambda: answers(port, "/health/ready"), START_SECONDS)
            yield child

    @contextmanager
    def _role(self, role: str, cores: frozenset[int], *arguments: str) -> Iterator[Child]:
        program = Path(sysconfig.get_path("scripts")) / "hub"
        command: list[str | Path] = [program, role, *arguments]
        name, folder = f"hub {role}", self._services.folder
        with running(
            name, command, environment=environment_of(self._services), folder=folder, cores=cores
        ) as child:
            yield child


class WholeHub(Hub):
    """`hub serve` beside `hub work`: events come in by POST /v1/events and go through log and relay."""

    notes = (
        *Hub.notes,
        "hub: a feeder posts the events to /v1/events and the relay numbers them; CPU is that of `hub serve`",
    )

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self.stream = "bench-hub:events"

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        with (
            super().running(port, cores) as child,
            self._role("work", cores) as worker,
            self._feeding(port) as feeder,
        ):
            worker.wait_until(lambda: asyncio.run(_relay_leads(self._services.database_url)), START_SECONDS)
            try:
                yield child
            finally:
                worker.ensure_alive()
                feeder.ensure_alive()

    @contextmanager
    def _feeding(self, port: int) -> Iterator[Child]:
        token = issue(self._services.auth_secret, "bench", ["publish"], _TOKEN_LIFE, SystemClock())
        environment = dict(os.environ) | {
            "PORT": str(port),
            "TOKEN": token,
            "STREAM": self.stream,
            "REDIS_URL": self._services.redis_url,
        }
        command: list[str | Path] = [sys.executable, "-m", "ops.bench.feeder"]
        folder = self._services.folder
        with running("feeder", command, environment=environment, folder=folder, cores=frozenset()) as child:
            yield child


async def _relay_leads(dsn: str) -> bool:
    connection = await connect(dsn)
    try:
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted"
        return bool(await connection.fetchval(held, LOCK))
    finally:
        await connection.close()
