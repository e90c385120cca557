"""Owns one process of the hub in its life of being killed and coming back."""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

import psutil

from ops.bench.children import Child, answers, running
from ops.bench.errors import BenchError

START_S: Final = 300.0  # one that starts is followed as long as it gets further, and says when it does not
LOOK_S: Final = 0.05


class Member:
    """A `hub serve` or a `hub work`; whoever does something to it holds its lock."""

    def __init__(
        self,
        name: str,
        command: list[str | Path],
        *,
        environment: dict[str, str],
        folder: Path,
        port: int = 0,
    ) -> None:
        self.name = name
        self.port = port
        self.lock = asyncio.Lock()
        self.up = False
        """Whether it has answered, and was not killed since."""
        self.deaths: list[str] = []
        """How it ended by itself, which nobody wanted."""
        self._command = command
        self._environment = environment
        self._folder = folder
        self._starts = 0
        self._life = ExitStack()
        self._child: Child | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and wait until it answers; raises BenchError with its last words."""
        self._starts += 1
        self._child = self._life.enter_context(
            running(
                f"{self.name}.{self._starts}",
                self._command,
                environment=self._environment,
                folder=self._folder,
                cores=frozenset(),
            )
        )
        if self.port:
            await self._until(lambda: answers(self.port, "/health/live"), self._child)
        self.up = True

    async def _until(self, ready: Callable[[], bool], child: Child) -> None:
        try:
            async with asyncio.timeout(START_S):
                while not await asyncio.to_thread(ready):
                    child.ensure_alive()
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise BenchError(
                f"{self.name} did not answer within {START_S:.0f} s:\n{child.last_words()}"
            ) from None

    def kill(self) -> None:
        """End it and all its processes with kill -9."""
        self.look()
        self.up = False
        for pid in self._pids():
            _send(pid, signal.SIGKILL)
        self._life.close()
        self._child = None

    def kill_a_worker(self, choose: Callable[[list[int]], int]) -> bool:
        """End one of its workers with kill -9; False if it has none just now."""
        self.look()
        workers = self._pids()[1:]
        if workers:
            _send(choose(workers), signal.SIGKILL)
        return bool(workers)

    def reload(self) -> None:
        """Have all of its workers replaced."""
        self.look()
        if self._child is not None:
            _send(self._child.process.pid, signal.SIGHUP)

    def look(self) -> None:
        """Note it if it ended by itself."""
        if self._child is not None and self._child.process.poll() is not None:
            self.deaths.append(f"{self.name} ended by itself:\n{self._child.last_words()}")
            self._child = None

    def ask_to_stop(self) -> None:
        self.look()
        if self._child is not None:
            self._child.process.terminate()

    def stop(self) -> None:
        self._life.close()
        self._child = None

    def _pids(self) -> list[int]:
        if self._child is None:
            return []
        with suppress(psutil.NoSuchProcess):
            return self._child.pids()
        return []


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
