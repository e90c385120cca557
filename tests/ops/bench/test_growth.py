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
    without_connecting = fan_out[1:]
    unheard = ["warm-up", "unheard"]
    assert phases(report) == [
        ("hub", fan_out),
        ("hub-10", fan_out),
        ("floor", without_connecting),
        ("floor-10", without_connecting),
        ("node-20", fan_out),
        ("hub", unheard),
        ("node", unheard),
    ]
    to_all, to_nobody = report["runs"][:5], report["runs"][5:]
    for run, clients in zip(to_all, (80, 10, 80, 10, 20), strict=True):
        for phase in run["phases"]:
            if phase["name"] == "connect":
                assert phase["clients"] == clients
            else:
                assert phase["received"] == phase["expected"] == clients * phase["published"] > 0
    for phase in (phase for run in to_nobody for phase in run["phases"]):
        assert phase["published"] == BURST * phase["received"] > BURST
    goals = {(goal["phase"], goal["peer"]) for goal in report["goals"]}
    assert goals == {("saturated", "hub-10"), ("unheard", "node-20")}
    assert sum("its own code" in note for note in report["notes"]) == 2
