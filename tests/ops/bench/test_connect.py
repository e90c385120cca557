"""The cost of connections: with the real hub, its peer and real services; figures are not looked at."""

import pytest

from tests.ops.bench.quick_run import beside_node, phases


@pytest.mark.slow
def test_a_quick_run_measures_the_clients_that_connect_after_the_warm_up() -> None:
    report = beside_node("connect")

    assert phases(report) == [("hub", ["connect"]), ("node", ["connect"])]
    assert [run["phases"][0]["clients"] for run in report["runs"]] == [50, 50]
    shown = report["summary"]["connect"]["servers"]
    assert set(shown) == {"hub", "node"}
    assert all(
        {"cpu_us_per_connection", "rss_kb_per_connection"} <= set(figures) for figures in shown.values()
    )
