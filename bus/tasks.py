"""Owns background tasks: a reference is kept, and a failure is never silent."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import structlog

from bus.seldom import Seldom
from schemas.db import RETRYABLE

log = structlog.get_logger(__name__)

AGAIN_S: Final = 2.0  # enough to give leases back
_running: set[asyncio.Task[Any]] = set()


def spawn(coro: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Run a coroutine in the background; what it raises is logged under its name."""
    task = asyncio.create_task(coro, name=name)  # noqa: TID251  the one place that keeps the reference
    _running.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.error("task failed", task=task.get_name(), exc_info=error)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; their failures were reported already."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        # Asked again: a library's `asyncio.wait_for` loses a cancellation now and then (before Python 3.12).
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def cancelled() -> bool:
    """Say whether this task was asked to end, even if a library kept the cancellation to itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def forever(work: Callable[[], Awaitable[None]], *, name: str, pause_s: float) -> None:
    """Do work again and again, also after it failed: a loop that nobody restarts must not die."""
    say, say_failed = Seldom(log), Seldom(log, level=logging.ERROR)
    while not cancelled():
        try:
            await work()
        except RETRYABLE as error:
            say("interrupted, trying again", task=name, error=f"{type(error).__name__}: {error}")
        except Exception:  # noqa: BLE001  it is said, with its trace
            say_failed("failed, trying again", task=name, exc_info=True)
        await asyncio.sleep(pause_s)
