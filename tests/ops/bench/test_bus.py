"""The bus beside bare redis-py, and a POST to sockets: with real services; figures are not looked at."""

import pytest

from ops.bench.bus_ways import entries
from tests.ops.bench.quick_run import phases, quick


@pytest.mark.slow
def test_a_quick_run_moves_every_event_on_every_way() -> None:
    report = quick("bus")

    ways = ["append", "read", "through"]
    assert phases(report) == [
        ("hub", ways),
        ("redis-py", ways),
        ("hub", ["connect", "warm-up", "post to sockets"]),
    ]
    for run in report["runs"][:2]:
        assert [phase["events"] for phase in run["phases"]] == [2_000] * 3
    posted = report["runs"][2]["phases"][2]
    assert posted["received"] == posted["expected"] == 50 * posted["published"] > 0
    assert [(goal["phase"], goal["figure"], goal["most"]) for goal in report["goals"]] == [
        ("post to sockets", "p99_us", 50)
    ]
    for way in ways:
        assert set(report["summary"][way]["servers"]) == {"hub", "redis-py"}


def test_entries_follow_each_other() -> None:
    assert [(entry.prev, entry.seq) for entry in entries(3)] == [(0, 1), (1, 2), (2, 3)]
