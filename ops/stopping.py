"""Owns how a process of the hub is asked to end: a first signal asks, a second ends it at once."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

log = structlog.get_logger(__name__)

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A request to end; one that comes before somebody waits for it cancels the task that still starts."""

    def __init__(self, starting: "asyncio.Task[object] | None") -> None:
        self._asked = asyncio.Event()
        self._starting = starting

    def ask(self) -> None:
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()

    def is_set(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """Wait for the request: from now on whoever waits ends by itself, in its own order."""
        self._starting = None
        await self._asked.wait()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Take signals meanwhile; a start that was broken off by one has ended well."""
    task = asyncio.current_task()
    stop = Stop(task)
    on_signal(stop.ask)
    try:
        yield stop
    except asyncio.CancelledError:
        if task is None or not stop.is_set():
            raise
        task.uncancel()


def on_signal(ask: Callable[[], object]) -> None:
    """Take SIGINT and SIGTERM from now on: the first asks, a second ends the process at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        log.info("stopping")
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        ask()

    for number in SIGNALS:
        loop.add_signal_handler(number, stop)
