"""Owns the event loop of the long-lived roles: its transports, and how seldom garbage is looked for."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, Final

import aiofastnet

# A full search for garbage stops every socket and every event for a tenth of a second: what is there after
# the start stays anyway, and connections are freed by their reference counts.
THRESHOLDS: Final = (50_000, 50, 100)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, with the transports that `hub bench fanout` has shown to be the cheapest."""
    with asyncio.Runner(loop_factory=aiofastnet.loop_factory()) as runner:
        runner.run(main)


def settle() -> None:
    """Leave everything that exists now out of the search for garbage; call it when a process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
