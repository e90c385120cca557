"""The cost of growth: with the real hub and real services; figures are not looked at."""

import pytest

from ops.bench.compiler import find_compiler
from ops.bench.growth import BURST
from tests.ops.bench.quick_run import beside_node, phases


@pytest.mark.slow
def test_a_quick_run_compares_many_clients_with_few_and_sends_events_to_nobody() -> None:
    if find_compiler() is None:
        pytest.skip("there is no C compiler here")

    report = beside_node("growth")

    fan_out = ["connect", "warm-up", "saturated"]
    unheard = ["warm-up", "unheard"]
    assert phases(report) == [
        ("hub", fan_out),
        ("hub-10", fan_out),
        ("hub", unheard),
        ("node", unheard),
        ("node-10", fan_out),
    ]
    to_all, to_nobody = report["runs"][:2] + report["runs"][4:], report["runs"][2:4]
    for run, clients in zip(to_all, (80, 10, 10), strict=True):
        assert run["phases"][0]["clients"] == clients
        for phase in run["phases"][1:]:
            assert phase["received"] == phase["expected"] == clients * phase["published"] > 0
    for phase in (phase for run in to_nobody for phase in run["phases"]):
        assert phase["published"] == BURST * phase["received"] > BURST
    goals = {(goal["phase"], goal["peer"]) for goal in report["goals"]}
    assert goals == {("saturated", "hub-10"), ("unheard", "node-10")}
