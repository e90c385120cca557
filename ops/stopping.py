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
    """A request to end: it breaks off a start, and is waited for afterwards."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._starting: asyncio.Task[object] | None = None

    def ask(self) -> None:
        self._asked.set()
        if self._starting is not None:
            self._starting.cancel()

    def is_set(self) -> bool:
        return self._asked.is_set()

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Have a request cancel this task until the block is left.

        What was started ends outside of the block: it is not broken off when a start has failed.
        """
        self._starting = asyncio.current_task()
        try:
            yield
        finally:
            self._starting = None

    async def wait(self) -> None:
        await self._asked.wait()


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Take signals from now on; a start that was broken off by one has ended well, unless it had failed."""
    task, stop = asyncio.current_task(), Stop()
    on_signal(stop.ask)
    try:
        yield stop
    except asyncio.CancelledError as cancelled:
        if task is None or not stop.is_set():
            raise
        task.uncancel()
        if (failure := _dealt_with(cancelled)) is not None:
            raise failure from None


def _dealt_with(error: BaseException) -> Exception | None:
    """The error that was being cleaned up after; a request to end must not hide it."""
    context = error.__context__
    while context is not None and not isinstance(context, Exception):
        context = context.__context__
    return context


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
