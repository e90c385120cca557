"""Owns the processes a measurement starts: none outlives it, and a failed one shows its last words."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from ops.bench.cpu import pinned
from ops.bench.errors import BenchError
from ops.embedded.account import ours

_PAUSE = 0.02
_STOP_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Child:
    """A running process of ours and where it says what it does."""

    name: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def pids(self) -> list[int]:
        """Its own and those of its children."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        return [self.process.pid, *(member.pid for member in family)]

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until it is ready; raises BenchError with its last words."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at once:\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} was not ready within {seconds:.0f} s:\n{self.last_words()}")
            time.sleep(_PAUSE)

    def ensure_alive(self) -> None:
        if self.process.poll() is not None:
            raise BenchError(f"{self.name} ended during the measurement:\n{self.last_words()}")

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return "\n".join(f"  {line}" for line in lines) or "  (it said nothing)"


@contextmanager
def running(
    name: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    folder: Path,
    cores: frozenset[int],
) -> Iterator[Child]:
    """Run a server on these cores meanwhile; it also ends when this process is killed."""
    log = folder / f"{name}.log"
    with log.open("wb") as output, pinned(cores):
        process = subprocess.Popen(  # noqa: S603 - our own programs
            ours().command(signal.SIGTERM, command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            start_new_session=True,  # Ctrl-C is for the bench, which then ends its children
        )
    try:
        yield Child(name, process, log)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server there says that all is well."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
