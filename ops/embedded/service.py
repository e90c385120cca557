"""Owns the life of one embedded server process: start, readiness, stop."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from ops.embedded import leftovers, ports
from ops.embedded.account import Account, environment
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError, PortInUseError, disk_full, explain, says_full
from ops.embedded.progress import say
from ops.embedded.server_log import ServerLog

_PAUSE = 0.02
_LONG = 5.0
_ATTEMPTS = 5


class Service:
    """A server as a direct child of this process; subclasses say which one."""

    name: ClassVar[str]
    title: ClassVar[str]
    pid_file: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    start_seconds: ClassVar[float]
    stop_seconds: ClassVar[float]

    def __init__(self, data_dir: DataDir, *, port: int | None = None) -> None:
        self.data_dir = data_dir
        self.folder = data_dir.path / self.name
        self.log = ServerLog(data_dir.path / "logs" / f"{self.name}.log")
        self._fixed_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> Account:
        """Make and check what the server needs; returns the account it runs under."""
        raise NotImplementedError

    def command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError

    def diagnose(self, said: str) -> str | None:
        """What is wrong, when the server's own last words tell."""
        raise NotImplementedError

    @property
    def port(self) -> int:
        if self._port is None:
            raise EmbeddedError(f"{self.title} has not been started")
        return self._port

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self.alive else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start and wait until it answers; raises EmbeddedError."""
        for pause in self.starting():
            time.sleep(pause)

    def starting(self) -> Iterator[float]:
        """The start in steps with pauses between them, so that it can also be done inside an event loop."""
        try:
            account = self.prepare()
            yield from leftovers.end(self.folder, self.pid_file, self.stop_signal, self.stop_seconds)
            yield from self._bring_up(account)
        except OSError as error:
            raise explain(error, self.folder) from error

    def stop(self) -> None:
        """Ask it to end, wait, and end it."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(self.stop_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def ask_to_stop(self) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(self.stop_signal)

    def _bring_up(self, account: Account) -> Iterator[float]:
        may_move = self._port is None and self._fixed_port is None  # later, clients know the port
        for attempt in range(1, _ATTEMPTS + 1):
            self._port = self._port or self._choose_port()
            self._spawn(account)
            try:
                yield from self._until_ready()
            except PortInUseError:  # somebody took it between our look and the server's bind
                if not may_move or attempt == _ATTEMPTS:
                    raise
                self._port = None
            else:
                break
        self.data_dir.remember_port(self.name, self.port)

    def _choose_port(self) -> int:
        if self._fixed_port is None:
            return ports.find_free(self.data_dir.port(self.name))
        if ports.is_free(self._fixed_port):
            return self._fixed_port
        raise self._port_in_use(self._fixed_port)

    def _spawn(self, account: Account) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the kernel ends the child when the thread that started it ends")
        self.log.begin()
        with self.log.path.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own binaries
                account.command(self.stop_signal, self.command()),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=environment(),
                start_new_session=True,  # Ctrl-C is for the hub, which stops its services when it is done
            )

    def _until_ready(self) -> Iterator[float]:
        began = time.monotonic()
        patient = False
        while not self.ready():
            waited = time.monotonic() - began
            if not self.alive:
                raise self._failure()
            if waited > self.start_seconds:
                self.stop()
                raise EmbeddedError(f"{self.title} did not answer within {waited:.0f} s; {self.log.quote()}")
            if waited > _LONG and not patient:
                say(f"{self.title} takes its time, as after a crash …")
                patient = True
            yield _PAUSE

    def _failure(self) -> EmbeddedError:
        said = self.log.tail()
        if "Address already in use" in said:
            return self._port_in_use(self.port)
        if says_full(said):
            return disk_full(self.folder)
        return EmbeddedError(self.diagnose(said) or f"{self.title} ended at once; {self.log.quote()}")

    def _port_in_use(self, port: int) -> PortInUseError:
        return PortInUseError(
            f"port {port} on 127.0.0.1, meant for {self.title}, is in use: end what uses it"
        )
