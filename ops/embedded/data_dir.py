"""Owns the data directory: its lock, its secrets, the remembered ports and `hub.json`."""

import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops.embedded.errors import EmbeddedError, explain

_SECRETS = ("postgres_password", "valkey_password", "auth_secret")


class DataDir:
    """A hub's folder. Only the holder of the lock writes; other commands may read without it."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path).expanduser().absolute()
        self._lock: int | None = None

    def acquire(self) -> Self:
        """Create what is missing and take the lock; raises EmbeddedError when another hub holds it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._take_lock()
            for name in ("secrets", "logs"):
                self.folder(name)
            for name in _SECRETS:
                self._ensure_secret(name)
            self.remove_hub_json()  # what a killed hub left behind
        except OSError as error:
            self.release()
            raise explain(error, self.path) from error
        return self

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def folder(self, name: str) -> Path:
        """A private folder inside, made when missing."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def free_bytes(self) -> int:
        return shutil.disk_usage(self.path).free

    def secret(self, name: str) -> str:
        path = self.path / "secrets" / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            raise EmbeddedError(
                f"there is no hub in {self.path}: start it with `hub up`, or name its folder with --data-dir"
            ) from None
        except OSError as error:
            raise EmbeddedError(f"cannot read {path} ({error.strerror}): only its owner may") from error

    def auth_secret(self) -> str:
        """The development signing secret, 64 characters."""
        return self.secret("auth_secret")

    def port(self, service: str) -> int | None:
        """The port the service had last time."""
        found = self._read_json("ports.json").get(service)
        return found if isinstance(found, int) else None

    def remember_port(self, service: str, port: int) -> None:
        self.write_json("ports.json", {**self._read_json("ports.json"), service: port})

    def write_hub_json(self, content: dict[str, Any]) -> None:
        self.write_json("hub.json", content)

    def read_hub_json(self) -> dict[str, Any] | None:
        """What the running hub wrote, or None; after a kill -9 the file may outlive its hub."""
        return self._read_json("hub.json") or None

    def remove_hub_json(self) -> None:
        (self.path / "hub.json").unlink(missing_ok=True)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write atomically, readable by the owner alone."""
        try:
            _write_private(self.path / name, json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise explain(error, self.path) from error

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_text())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise EmbeddedError(f"cannot read {self.path / name}: {error.strerror}") from error
        except ValueError:
            return {}  # written by other hands; ours are atomic
        return content if isinstance(content, dict) else {}

    def _take_lock(self) -> None:
        # never deleted: a lock on a file without a name would keep nobody out
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode().strip()
            os.close(lock)
            who = f"another hub (process {holder})" if holder else "another hub"
            raise EmbeddedError(
                f"{who} is running in {self.path}: stop it, or choose another folder with --data-dir"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._lock = lock

    def _ensure_secret(self, name: str) -> None:
        path = self.path / "secrets" / name
        if not path.exists():
            _write_private(path, secrets.token_hex(32) + "\n")


def _write_private(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
