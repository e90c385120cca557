"""Owns the peers on Node.js: plain Socket.IO, and Socket.IO with its adapter for Redis streams."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.bench.children import Child, listens, running
from ops.bench.node import PEERS, Node
from ops.bench.servers import START_SECONDS, Audience
from ops.bench.services import Services


class NodePeer:
    """The official Socket.IO server on Node.js, reading the same entries."""

    name = "node"
    stream = "bench-node:push"
    notes: tuple[str, ...] = (
        "node: socket.io as documented, compression off; not durable, no tokens, no limits",
    )
    _peer = "fanout"
    _packages: tuple[str, ...] = ("socket.io", "ws", "redis")

    def __init__(self, node: Node, services: Services, audience: Audience, *, recovery: bool = False) -> None:
        self._node = node
        self._services = services
        self._folder = node.install(PEERS / self._peer)
        self._environment = {
            "NODE_ENV": "production",
            "NAMESPACE": audience.namespace,
            "ROOM": "" if audience.unicast else audience.room,
            "STREAM": self.stream,
            "RECOVERY": "1" if recovery else "",
            "REDIS_PORT": str(services.redis_port),
            "REDIS_PASSWORD": services.redis_password,
        }
        self.versions = {"node": node.version()} | {
            package: self._installed(package) for package in self._packages
        }

    def _installed(self, package: str) -> str:
        manifest = self._folder / "node_modules" / package / "package.json"
        return str(json.loads(manifest.read_text())["version"])

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        with self._program("server", cores, PORT=str(port)) as child:
            child.wait_until(lambda: listens(port), START_SECONDS)
            yield child

    @contextmanager
    def _program(self, program: str, cores: frozenset[int], **more: str) -> Iterator[Child]:
        command: list[str | Path] = [self._node.node, self._folder / f"{program}.js"]
        environment = dict(os.environ) | self._environment | more
        name, folder = f"{self.name} {program}", self._services.folder
        with running(name, command, environment=environment, folder=folder, cores=cores) as child:
            yield child


class AdapterPeer(NodePeer):
    """Two servers share events through a stream of the adapter's: one publishes, the other is measured."""

    name = "node-adapter"
    stream = "bench-adapter:events"
    notes = (
        "node-adapter: socket.io with @socket.io/redis-streams-adapter; a second server without clients "
        "emits the events, which costs time, but no CPU that is counted here",
    )
    _peer = "adapter"
    _packages = ("@socket.io/redis-streams-adapter",)

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        with super().running(port, cores) as child, self._program("feeder", frozenset()) as feeder:
            try:
                yield child
            finally:
                feeder.ensure_alive()
