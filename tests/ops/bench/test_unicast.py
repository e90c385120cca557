"""Each event to one client: with the real hub, its peer and real services; figures are not looked at."""

import pytest

from tests.ops.bench.quick_run import beside_node, phases


@pytest.mark.slow
def test_a_quick_run_delivers_each_event_to_one_client() -> None:
    report = beside_node("unicast")

    names = ["connect", "warm-up", "saturated", "500/s"]
    assert phases(report) == [("hub", names), ("node", names)]
    for run in report["runs"]:
        for phase in run["phases"][1:]:
            assert phase["received"] == phase["expected"] == phase["published"] > 50
    assert report["summary"]["500/s"]["hub_to"]["node"]["cpu_us_per_delivery"]["median"] > 0
