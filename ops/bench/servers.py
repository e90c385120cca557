"""Owns the servers that are measured: how each is started, and which stream it reads."""

import json
import os
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from ops.bench.children import Child, answers, listens, running
from ops.bench.node import Node
from ops.bench.services import Services

NAMESPACE = "/feed"
ROOM = "feed"  # whoever connects to /feed is in it

_START_SECONDS = 30
_RAISED = {
    # All clients come from one address here, which the limit is made against.
    "HUB_LIMITS__CONNECT_RATE": "1000000",
    "HUB_LIMITS__CONNECT_BURST": "1000000",
}


class Server(Protocol):
    """One side of the comparison."""

    @property
    def name(self) -> str: ...

    @property
    def stream(self) -> str: ...

    @property
    def versions(self) -> Mapping[str, str]: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def running(self, port: int, cores: frozenset[int]) -> AbstractContextManager[Child]:
        """Run it on these cores meanwhile; it is ready and reads its stream from the end on."""
        ...


class Hub:
    """`hub serve` as it is shipped, without a relay: the generator writes the stream in its place."""

    name = "hub"
    notes = (
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
        program = Path(sysconfig.get_path("scripts")) / "hub"
        command: list[str | Path] = [program, "serve", "--port", str(port)]
        environment, folder = self._environment(), self._services.folder
        with running("hub", command, environment=environment, folder=folder, cores=cores) as child:
            child.wait_until(lambda: answers(port, "/health/ready"), _START_SECONDS)
            yield child

    def _environment(self) -> dict[str, str]:
        """What the shell has set for another hub must not count here."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HUB_")}
        return (
            kept
            | _RAISED
            | {
                "HUB_DATA_DIR": str(self._services.folder / "data"),
                "HUB_DATABASE_URL": self._services.database_url,
                "HUB_REDIS_URL": self._services.redis_url,
                "HUB_AUTH__SECRET": self._services.auth_secret,
                "HUB_LOG_LEVEL": "warning",
            }
        )


class NodePeer:
    """The official Socket.IO server on Node.js, reading the same entries."""

    name = "node"
    stream = "bench-node:push"
    notes = ("node: socket.io as documented, compression off; not durable, no tokens, no limits",)

    def __init__(self, node: Node, services: Services) -> None:
        self._node = node
        self._services = services
        self._folder = node.install("fanout")
        self.versions = {"node": node.version()} | {
            package: self._installed(package) for package in ("socket.io", "ws", "redis")
        }

    def _installed(self, package: str) -> str:
        manifest = self._folder / "node_modules" / package / "package.json"
        return str(json.loads(manifest.read_text())["version"])

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        environment = dict(os.environ) | {
            "NODE_ENV": "production",
            "PORT": str(port),
            "NAMESPACE": NAMESPACE,
            "ROOM": ROOM,
            "STREAM": self.stream,
            "REDIS_PORT": str(self._services.redis_port),
            "REDIS_PASSWORD": self._services.redis_password,
        }
        command: list[str | Path] = [self._node.node, self._folder / "server.js"]
        folder = self._services.folder
        with running("node", command, environment=environment, folder=folder, cores=cores) as child:
            child.wait_until(lambda: listens(port), _START_SECONDS)
            yield child
