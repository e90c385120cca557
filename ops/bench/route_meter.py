"""Owns what a piece of work costs: the processor time of this process and of PostgreSQL's backends for it."""

import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

import psutil

from schemas.db import Pool

BACKENDS: Final = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """In seconds."""

    elapsed: float
    own: float
    postgres: float


async def cost_of(work: Awaitable[None], pool: Pool) -> Cost:
    """Do it; nothing else may use the database meanwhile, and no connection may be closed."""
    before = await _backends(pool)
    began, own = time.monotonic(), time.process_time()
    await work
    own, elapsed = time.process_time() - own, time.monotonic() - began
    after = await _backends(pool)
    return Cost(elapsed, own, sum(spent - before.get(pid, 0.0) for pid, spent in after.items()))


async def _backends(pool: Pool) -> dict[int, float]:
    """The processor time of each so far."""
    pids = [row["pid"] for row in await pool.fetch(BACKENDS)]
    times = {pid: psutil.Process(pid).cpu_times() for pid in pids}
    return {pid: spent.user + spent.system for pid, spent in times.items()}
