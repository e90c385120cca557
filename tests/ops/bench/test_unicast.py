"""Each event to one client: with the real hub, its peer and real services; figures are not looked at."""

import pytest

from ops.bench.unicast import UnicastOptions
from tests.ops.bench.quick_run import beside_node, phases


@pytest.mark.slow
def test_a_quick_run_delivers_each_event_to_one_client() -> None:
    report = beside_node("unicast")

    names = ["connect", "warm-up", "saturated", "500/s"]
    assert phases(report) == [("hub", names), ("node", names)]
    for run in report["runs"]:
        for phase in run["phases"][1:]:
            assert phase["received"] == phase["expected"] == phase["published"] > 0
    assert report["summary"]["500/s"]["hub_to"]["node"]["p99_us"]["median"] > 0
    assert [goal["phase"] for goal in report["goals"]] == ["500/s"]


def test_at_every_pace_one_in_a_hundred_may_take_longer_than_ten_milliseconds() -> None:
    goals = UnicastOptions(rates=(1_000, 10_000)).goals()

    assert [(goal.phase, goal.column.title, goal.most) for goal in goals] == [
        ("1,000/s", "p99 ms", 10),
        ("10,000/s", "p99 ms", 10),
    ]
