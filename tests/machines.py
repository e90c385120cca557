"""State machines of Hypothesis on a real database: each example has an event loop of its own."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, run_state_machine_as_test

from schemas.db import Pool

T = TypeVar("T")


class OnDatabase(RuleBasedStateMachine):
    """What a machine needs before its first rule, and after its last; `dsn` is set before it runs."""

    dsn = ""
    pool: Pool

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()

    def run(self, coro: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coro)

    @initialize()
    def begin(self) -> None:
        self.run(self._begin())

    async def _begin(self) -> None:
        """Open the pool, and make the database as if it were new."""
        raise NotImplementedError

    async def _end(self) -> None:
        await self.pool.close()

    def teardown(self) -> None:
        self.run(self._end())
        self.runner.close()


def explore(machine: type[OnDatabase], dsn: str, *, examples: int, steps: int) -> None:
    """Let Hypothesis look for an order of steps that breaks the machine."""
    machine.dsn = dsn
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
