"""Owns the load generator: builds the C one, or stands the Python one in, runs it and reads its lines."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from typing import IO, Final

from ops.bench.compiler import compile_c, generator_sources
from ops.bench.errors import BenchError
from ops.bench.results import Comeback, Connected, Figures, Phase, Unheard
from ops.bench.servers import Audience
from ops.embedded.account import ours

_FIGURES: Final[Mapping[str, type[Figures]]] = {"comeback": Comeback, "unheard": Unheard}
"""What a phase of this kind finds; the others find how events arrived."""


@dataclass(frozen=True, slots=True)
class PhasePlan:
    """One stretch of a run.

    `window` keeps that many events under way; `rate` is deliveries a second; `burst` puts that many events
    into the stream at once, two such under way; `comeback` has all clients miss that many and return;
    `unheard` is like `burst`, but only the last event of each is for anybody.
    """

    name: str
    kind: str
    value: float
    seconds: float

    def argument(self) -> str:
        return f"{self.name}={self.kind}:{self.value:g}:{self.seconds:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the generator is pointed at."""

    port: int
    server_pids: Sequence[int]
    audience: Audience
    clients: int
    warm: int = 0
    """How many of them connect before the connecting is measured."""
    payloads: Path
    redis_port: int
    redis_password: str
    stream: str
    phases: Sequence[PhasePlan]
    settle: float = 1
    """Seconds between the last connect and the look at the server's memory."""
    drain: float = 10
    """Seconds to wait after a phase; what has not arrived by then is lost."""

    def arguments(self) -> list[str]:
        options = {
            "port": self.port,
            "namespace": self.audience.namespace,
            "room": self.audience.room,
            "clients": self.clients,
            "warm": self.warm,
            "payloads": self.payloads,
            "redis-port": self.redis_port,
            "stream": self.stream,
            "settle": self.settle,
            "drain": self.drain,
            "after": 0,  # the stream is emptied before every run
        }
        pairs = [*options.items(), *(("server-pid", pid) for pid in self.server_pids)]
        pairs += [("phase", phase.argument()) for phase in self.phases]
        flags = ["--unicast"] if self.audience.unicast else []
        return [*flags, *(f"--{name}={value}" for name, value in pairs)]


@dataclass(frozen=True, slots=True)
class Generator:
    """A program that takes `Load.arguments` and prints one line of JSON per phase."""

    name: str
    command: tuple[str, ...]

    def run(self, load: Load, folder: Path) -> tuple[Figures, ...]:
        """Measure; raises BenchError with what the generator said when it gave up."""
        log = folder / "generator.log"
        with log.open("wb") as errors, self._started(load, errors) as process:
            lines = [json.loads(line) for line in process.stdout or ()]
            code = process.wait()
        said = log.read_text(errors="replace").strip()
        if code != 0 or len(lines) != 1 + len(load.phases):
            raise BenchError(f"the load generator gave up (exit code {code}):\n{said}")
        if said:
            sys.stderr.write(said + "\n")
        kinds: list[type[Figures]] = [Connected]
        kinds += [_FIGURES.get(phase.kind, Phase) for phase in load.phases]
        return tuple(kind(**line) for kind, line in zip(kinds, lines, strict=True))

    @contextmanager
    def _started(self, load: Load, errors: IO[bytes]) -> Iterator["subprocess.Popen[bytes]"]:
        process = subprocess.Popen(  # noqa: S603 - our own program
            ours().command(SIGTERM, [*self.command, *load.arguments()]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(os.environ) | {"LOADGEN_REDIS_PASSWORD": load.redis_password},
            start_new_session=True,
        )
        try:
            with process:
                yield process
        finally:
            if process.poll() is None:
                process.kill()


def native(folder: Path) -> Generator | None:
    """Compile the C generator; None where there is no compiler."""
    program = folder / "loadgen"
    return Generator("C", (str(program),)) if compile_c(program, generator_sources()) else None


def python() -> Generator:
    """The slower stand-in: several processes, but it cannot keep a fast server busy."""
    return Generator("Python", (sys.executable, "-m", "ops.bench.loadgen"))
