"""The floor as a peer: with the real hub and real services; figures are not looked at."""

import pytest

from ops.bench.compiler import find_compiler
from tests.ops.bench.quick_run import phases, quick


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "clients_of_an_event", "measured"),
    [("fanout", 50, ["saturated", "paced", "backlog"]), ("unicast", 1, ["saturated", "500/s"])],
)
def test_a_quick_run_beside_the_floor_loses_nothing(
    command: str, clients_of_an_event: int, measured: list[str]
) -> None:
    if find_compiler() is None:
        pytest.skip("there is no C compiler here")

    report = quick(command, "--peer", "floor")

    names = ["connect", "warm-up", *measured]
    assert phases(report) == [("hub", names), ("floor", names)]
    for phase in report["runs"][1]["phases"][1:]:
        assert phase["received"] == phase["expected"] == clients_of_an_event * phase["published"] > 0
    assert report["summary"]["saturated"]["hub_to"]["floor"]["p99_us"]["median"] > 0


@pytest.mark.slow
def test_a_quick_run_connects_to_the_floor() -> None:
    if find_compiler() is None:
        pytest.skip("there is no C compiler here")

    report = quick("connect", "--peer", "floor")

    assert [run["phases"][0]["clients"] for run in report["runs"]] == [50, 50]
