"""The plan of what is broken."""

import pytest

from ops.chaos.faults import Kind, plan


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [6, 24, 300])
def test_every_kind_comes_at_least_once_and_in_time(seed: int, seconds: float) -> None:
    faults = plan(seed, seconds)
    assert {fault.kind for fault in faults} == set(Kind)
    assert sum(fault.after_s for fault in faults) <= seconds


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan(7, 60) == plan(7, 60)
    assert plan(7, 60) != plan(8, 60)
