"""The arithmetic of the reports."""

from dataclasses import replace
from typing import Any

import pytest

from ops.bench.cpu import Machine
from ops.bench.goals import Goal
from ops.bench.report import Report, aligned
from ops.bench.results import Column, Comeback, Connected, Phase, Run, Spread

CONNECTED = Connected(
    name="connect",
    clients=10,
    seconds=0.5,
    cpu_us_per_connection=400,
    rss_kb_before=50_000,
    rss_kb_per_connection=25.0,
)


def a_phase(**changes: Any) -> Phase:
    figures: dict[str, Any] = {
        "name": "saturated",
        "published": 100,
        "expected": 1_000,
        "received": 1_000,
        "disorder": 0,
        "dead": 0,
        "deliveries_per_second": 200_000.0,
        "cpu_us_per_delivery": 5.0,
        "user_us_per_delivery": 2.0,
        "system_us_per_delivery": 3.0,
        "server_cpu_percent": 99.0,
        "generator_cpu_percent": 60.0,
        "p50_us": 2_000,
        "p90_us": 3_000,
        "p99_us": 4_000,
        "max_us": 5_000,
    }
    return Phase(**figures | changes)


def a_comeback(**changes: int) -> Comeback:
    figures: dict[str, Any] = {
        "name": "comeback",
        "clients": 10,
        "recovered": 10,
        "complete": 10,
        "dead": 0,
        "missed": 100,
        "received": 1_000,
        "disorder": 0,
        "seconds": 0.5,
        "cpu_us_per_client": 300.0,
        "generator_cpu_percent": 20.0,
        "p50_us": 400_000,
        "p99_us": 490_000,
    }
    return Comeback(**figures | changes)


def a_run(server: str, number: int, **changes: Any) -> Run:
    return Run(server, number, (CONNECTED, a_phase(name="warm-up"), a_phase(**changes)))


def a_report(*runs: Run) -> Report:
    return Report(
        title="fan-out to 10 clients",
        options={"clients": 10},
        machine=Machine("a processor", 2, "Linux", 0.1),
        versions={"hub": "1"},
        notes=("a note",),
        runs=runs,
    )


def test_a_spread_is_the_median_between_the_least_and_the_greatest() -> None:
    assert Spread.of([9, 1, 2]) == Spread(2, 1, 9)
    assert Spread.of([4, 2]) == Spread(3, 2, 4)


@pytest.mark.parametrize(
    ("spread", "text"),
    [
        (Spread(5, 5, 5), "5"),
        (Spread(157_123.4, 99.5, 1_000), "157,123 (99.5–1,000)"),
        (Spread(0.75, 0.7012, 123.4), "0.75 (0.701–123)"),
    ],
)
def test_figures_are_shown_with_three_digits_or_whole(spread: Spread, text: str) -> None:
    assert str(spread) == text


def test_the_ratio_compares_runs_of_the_same_number_only() -> None:
    report = a_report(
        a_run("hub", 1, cpu_us_per_delivery=5.0),
        a_run("node", 1, cpu_us_per_delivery=10.0),
        a_run("node", 2, cpu_us_per_delivery=100.0),
        a_run("hub", 2, cpu_us_per_delivery=60.0),
        a_run("hub", 3, cpu_us_per_delivery=7.0),
        a_run("node", 3, cpu_us_per_delivery=10.0),
    )

    assert report.ratio("saturated", "cpu_us_per_delivery", peer="node") == Spread(0.6, 0.5, 0.7)
    ratios = report.to_dict()["summary"]["saturated"]["hub_to"]
    assert ratios["node"]["cpu_us_per_delivery"] == {"median": 0.6, "min": 0.5, "max": 0.7}
    assert report.to_text().splitlines()[-1] == "CPU per delivery, saturated, hub / node: 0.6 (0.5–0.7)"


def test_without_a_peer_there_is_no_ratio() -> None:
    report = a_report(a_run("hub", 1))

    assert report.to_dict()["summary"]["saturated"]["hub_to"] == {}
    assert "hub / node" not in report.to_text()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"received": 990}, "received 990 of 1,000 deliveries"),
        ({"received": 1_010}, "received 1,010 of 1,000 deliveries"),
        ({"disorder": 3}, "3 deliveries out of order, repeated or after a gap"),
        ({"dead": 2}, "2 connections lost"),
        ({"published": 0, "expected": 0, "received": 0}, "nothing was published"),
    ],
)
def test_loss_and_disorder_are_errors(changes: dict[str, int], problem: str) -> None:
    report = a_report(a_run("node", 1), a_run("hub", 1, **changes))

    assert report.problems() == [f"hub, run 1, saturated: {problem}"]
    assert f"ERROR: hub, run 1, saturated: {problem}" in report.to_text()


def test_a_loss_while_warming_up_counts_too() -> None:
    run = Run("hub", 1, (CONNECTED, a_phase(name="warm-up", received=1), a_phase()))

    assert a_report(run).problems() == ["hub, run 1, warm-up: received 1 of 1,000 deliveries"]


def test_every_peer_is_compared() -> None:
    report = a_report(*(a_run(server, 1) for server in ("hub", "node", "node-adapter")))

    assert report.peers == ["node", "node-adapter"]
    assert "CPU per delivery, saturated, hub / node-adapter: 1" in report.to_text()


def test_a_phase_that_only_one_server_has_is_shown_without_a_ratio() -> None:
    report = a_report(a_run("hub", 1), Run("hub", 1, (a_phase(name="posted"),)), Run("node", 1, (a_phase(),)))

    assert list(report.to_dict()["summary"]["posted"]["servers"]) == ["hub"]
    assert "posted, hub / node" not in report.to_text()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"recovered": 9}, "9 of 10 sessions were taken up again"),
        ({"complete": 9}, "9 of 10 clients got the last event"),
        ({"received": 999}, "received 999 of 1,000 missed events"),
        ({"disorder": 1}, "1 events out of order, repeated or after a gap"),
        ({"dead": 1}, "1 connections lost"),
    ],
)
def test_whoever_does_not_get_exactly_what_was_missed_is_an_error(
    changes: dict[str, int], problem: str
) -> None:
    assert a_comeback().problems() == []
    assert a_comeback(**changes).problems() == [problem]


P99 = Column("p99 ms", "p99_us", 1000)


@pytest.mark.parametrize(("most", "verdict"), [(12, "reached"), (11, "missed")])
def test_a_goal_is_judged_by_the_median(most: float, verdict: str) -> None:
    runs = [a_run("hub", number, p99_us=us) for number, us in enumerate((9_000, 12_000, 30_000), start=1)]
    report = replace(a_report(*runs), goals=[Goal("saturated", P99, most)])

    words = f"goal: p99 ms, saturated, hub: 12 (9–30), at most {most}: {verdict}"
    assert report.to_text().splitlines()[-1] == words
    (goal,) = report.to_dict()["goals"]
    assert goal["found"] == {"median": 12, "min": 9, "max": 30}
    assert goal["reached"] == (verdict == "reached")


def test_a_goal_may_be_the_share_of_a_peers_figure() -> None:
    goal = Goal("saturated", Column("CPU per delivery", "cpu_us_per_delivery"), 1.1, peer="hub-500")
    runs = (a_run("hub", 1, cpu_us_per_delivery=5.4), a_run("hub-500", 1))

    text = replace(a_report(*runs), goals=[goal]).to_text()

    assert "goal: CPU per delivery, saturated, hub / hub-500: 1.08, at most 1.1: reached" in text


def test_a_goal_may_be_the_share_of_another_figure_of_a_peers() -> None:
    cost = Column("CPU per delivery", "cpu_us_per_delivery")
    goal = Goal("paced", Column("p99", "p99_us"), 0.9, peer="node", beside=("saturated", cost))
    paced = replace(a_run("hub", 1), phases=(a_phase(name="paced", p99_us=4),))

    text = replace(a_report(paced, a_run("node", 1, cpu_us_per_delivery=5.0)), goals=[goal]).to_text()

    assert "goal: p99, paced, hub / node's CPU per delivery, saturated: 0.8, at most 0.9: reached" in text


def test_a_goal_of_which_nothing_was_measured_is_not_judged() -> None:
    goals = [Goal("paced", P99, 10), Goal("saturated", P99, 10, peer="node")]

    assert "goal" not in replace(a_report(a_run("hub", 1)), goals=goals).to_text()


def test_the_table_shows_milliseconds_and_leaves_the_warm_up_out() -> None:
    text = a_report(a_run("hub", 1, p99_us=12_340), a_run("hub", 2, p99_us=12_340)).to_text()

    assert "12.3" in text
    assert "warm-up" not in text
    assert text.startswith("fan-out to 10 clients: medians (least–greatest) of 2 runs each\n")


def test_columns_are_aligned() -> None:
    assert aligned([["a", "long title"], ["longer", "1"]]) == ["a       long title", "longer           1"]
