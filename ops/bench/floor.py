"""Owns the floor as a peer: a server in C that does nothing but write, which nobody can do for less."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from ops.bench.children import Child, listens, running
from ops.bench.compiler import compile_c, floor_sources
from ops.bench.errors import BenchError
from ops.bench.servers import START_SECONDS, Audience
from ops.bench.services import Services


class Floor:
    """Reads the same entries and writes each as one frame to every socket that is meant."""

    name = "floor"
    stream = "bench-floor:push"
    versions: Mapping[str, str] = MappingProxyType({})
    notes = (
        "floor: a server in C (ops/bench/native_floor), one write() for each delivery; no tokens, no limits, "
        "no heartbeat, and it keeps nothing",
    )

    def __init__(self, services: Services, audience: Audience) -> None:
        self._services = services
        self._program = services.folder / "floor"
        if not compile_c(self._program, floor_sources()):
            raise BenchError("the floor is in C: install gcc, or pass another --peer")
        self._environment = {
            "NAMESPACE": audience.namespace,
            "ROOM": "" if audience.unicast else audience.room,
            "STREAM": self.stream,
            "REDIS_PORT": str(services.redis_port),
            "REDIS_PASSWORD": services.redis_password,
        }

    @contextmanager
    def running(self, port: int, cores: frozenset[int]) -> Iterator[Child]:
        environment = dict(os.environ) | self._environment | {"PORT": str(port)}
        folder = self._services.folder
        with running(
            self.name, [self._program], environment=environment, folder=folder, cores=cores
        ) as child:
            child.wait_until(lambda: listens(port), START_SECONDS)
            yield child
