"""Walks beside COPY, with real services; figures are not looked at, but for the arithmetic."""

import asyncio

import pytest

from ops.bench.route_figures import Tips, Told
from ops.bench.route_meter import Cost, cost_of
from schemas.db import Pool
from tests.ops.bench.quick_run import phases, quick


@pytest.mark.slow
def test_a_quick_run_tells_everybody_on_every_way() -> None:
    report = quick("route")

    walks = ["in-app only", "everyone has an e-mail"]
    assert sorted(phases(report)) == [
        ("copy", walks),
        ("hub", ["tips alone", "tips beside a walk", *walks, "among stored ones"]),
        ("hub-500", ["among stored ones"]),
    ]
    for run in report["runs"]:
        for phase in run["phases"]:
            assert phase.get("told") == phase.get("expected")
    assert len(report["goals"]) == 7


def test_cost_is_shared_among_those_who_were_told() -> None:
    told = Told.of("walk", Cost(elapsed=2, own=0.5, postgres=1), told=1_000, expected=1_001)
    assert (told.cpu_us, told.own_us, told.postgres_us, told.us) == (1_500, 500, 1_000, 2_000)
    assert told.problems() == ["1,000 of 1,001 people told"]


def test_a_tip_that_is_not_heard_of_spoils_the_figures() -> None:
    found = Tips(name="tips", **Tips.members([0.001, 0.003, 0.002], 4))
    assert (found.p50_us, found.max_us) == (2_000, 3_000)
    assert found.problems() == ["heard of 3 of 4 tips"]
    assert Tips(name="tips", **Tips.members([], 0)).problems() == ["no tip was published"]


async def test_work_of_the_database_counts(pool: Pool) -> None:
    async def work() -> None:
        await pool.execute("SELECT count(*) FROM generate_series(1, 1000000)")

    cost = await asyncio.wait_for(cost_of(work(), pool), 30)
    assert 0 < cost.postgres < cost.elapsed + 1
    assert cost.own < cost.elapsed
