"""The plan of what is broken."""

import pytest

from ops.chaos.faults import LASTS, Kind, plan


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("seconds", [6, 24, 300])
def test_every_kind_comes_at_least_once_and_in_time(seed: int, seconds: float) -> None:
    faults = plan(seed, seconds)
    assert {fault.kind for fault in faults} == set(Kind)
    assert sum(fault.after_s for fault in faults) <= seconds


def test_the_same_seed_makes_the_same_plan() -> None:
    assert plan(7, 60) == plan(7, 60)
    assert plan(7, 60) != plan(8, 60)


def test_a_fault_lasts_as_long_as_its_kind_may() -> None:
    for fault in plan(7, 600):
        shortest, longest = LASTS.get(fault.kind, (0.0, 0.0))
        assert shortest <= fault.lasts_s <= longest
        assert 0.2 <= fault.share <= 1


def test_gateways_are_killed_most_often() -> None:
    kinds = [fault.kind for fault in plan(7, 3600)]
    assert max(Kind, key=kinds.count) is Kind.GATEWAY


def test_nothing_happens_all_at_once() -> None:
    assert all(fault.after_s > 0 for fault in plan(7, 600))
