"""Owns the event loop of the long-lived roles: its transports, and how seldom garbage is looked for."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any, Final

import aiofastnet

# A search for garbage stops every socket and event, for as long as there is much that is alive. So what is
# new is looked at often, a little at a time, and what has survived that twice never again in practice: what
# is there after the start stays anyway, and connections are freed by reference counts.
THRESHOLDS: Final = (10_000, 5, 10_000)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run until it ends, with the transports that `hub bench fanout` has shown to be the cheapest."""
    with asyncio.Runner(loop_factory=aiofastnet.loop_factory()) as runner:
        runner.run(main)


def settle() -> None:
    """Leave everything that exists now out of the search for garbage; call it when a process is ready."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
