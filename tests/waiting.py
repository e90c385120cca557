"""Waiting for a condition with a deadline: tests never sleep and hope."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_S = 0.02


async def until(true: Callable[[], Awaitable[object]], within_s: float = 20) -> None:
    """Wait until `true()` answers something true; raises TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not await true():  # noqa: ASYNC110  the condition lives in other processes
            await asyncio.sleep(LOOK_S)
