"""Everybody comes back: with the real hub, its peer and real services; figures are not looked at."""

import shutil

import pytest

from tests.ops.bench.quick_run import beside_node, phases


@pytest.mark.slow
def test_in_a_quick_run_everybody_gets_what_was_missed() -> None:
    if not (shutil.which("gcc") or shutil.which("cc")):
        pytest.skip("there is no C compiler here")

    report = beside_node("recovery")

    names = ["connect", "warm-up", "comeback"]
    assert phases(report) == [("hub", names), ("node-adapter", names)]
    for run in report["runs"]:
        for phase in run["phases"][1:]:
            assert phase["recovered"] == phase["complete"] == 50
            assert phase["received"] == 50 * phase["missed"] == 50 * 20
            assert (phase["disorder"], phase["dead"]) == (0, 0)
    assert report["summary"]["comeback"]["hub_to"]["node-adapter"]["seconds"]["median"] > 0
