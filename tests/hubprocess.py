"""Real hub processes for tests: started by the command that users type, ended by signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateways.auth import issue
from ops.embedded.data_dir import DataDir
from schemas.clock import SystemClock

HUB = Path(sys.executable).with_name("hub")
ROOT = Path(__file__).parent.parent
READY_S = 90


class HubProcess:
    """One `hub` process and its data directory."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        outer = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}  # noqa: TID251  for the child
        self.environment = outer | environment
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def up(self, *arguments: str) -> "HubProcess":
        """Run `hub up` and wait for its ready line."""
        return self.run("up", *(arguments or ("--port", "0")))

    def run(self, command: str, *arguments: str) -> "HubProcess":
        """Run a command that says `hub ready URL` when it is."""
        self.begin(command, *arguments)
        process = self._process
        assert process is not None
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("hub ready "):
                self.url = line.split()[2]
                return self
        raise AssertionError(f"hub {command} ended with {process.wait()}:\n{self.log()}")

    def begin(self, command: str, *arguments: str) -> "HubProcess":
        """Run a command without waiting for anything."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._log_path.open("a") as log:
            self._process = subprocess.Popen(
                [HUB, command, "--data-dir", self.data_dir, *arguments],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env=self.environment,
            )
        return self

    @property
    def _log_path(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".log")

    def log(self) -> str:
        """The last of what the process wrote to stderr."""
        return self._log_path.read_text()[-5000:]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process alone; one that has ended hears nothing."""
        if self._process is not None:
            self._process.send_signal(number)

    def wait(self, within_s: float = 30) -> int:
        """Wait for its end; answers the status."""
        assert self._process is not None
        return self._process.wait(within_s)

    def stop(self) -> int:
        """Ask it to end and wait."""
        if self._process is None or self._process.poll() is not None:
            self._close()
            return 0
        self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._close()

    def kill(self) -> None:
        """End it with kill -9."""
        self.signal(signal.SIGKILL)
        self.wait()
        self._close()

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()

    def json(self) -> dict[str, Any]:
        """What the hub wrote into hub.json."""
        return DataDir(self.data_dir).read_hub_json() or {}

    def token(self, user: str, *scopes: str, ttl: timedelta = timedelta(hours=1)) -> str:
        """Sign a token as `hub token` does."""
        secret = self.environment.get("HUB_AUTH__SECRET") or DataDir(self.data_dir).auth_secret()
        return issue(secret, user, scopes or ("user",), ttl, SystemClock())

    def headers(self, user: str, *scopes: str) -> dict[str, str]:
        """The Authorization header of a user."""
        return {"Authorization": f"Bearer {self.token(user, *scopes)}"}


@pytest.fixture(scope="session")
def hub_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A running `hub up` that the tests of a session share; nobody kills this one."""
    hub = HubProcess(tmp_path_factory.mktemp("hub") / "data").up()
    yield hub
    hub.stop()


@pytest.fixture
def own_hub(tmp_path: Path) -> Iterator[HubProcess]:
    """A `hub up` of the test's own, not started yet."""
    hub = HubProcess(tmp_path / "data")
    yield hub
    hub.stop()
