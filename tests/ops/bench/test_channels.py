"""Messages on every channel beside the bare libraries, with real services; figures are not looked at."""

import pytest

from ops.bench.channels_figures import Sent
from ops.bench.route_meter import Cost
from tests.ops.bench.quick_run import phases, quick

SOME = ["sms", "email"]
"""One in a call, and by batches. The libraries of the others take seconds to start, six times over."""


@pytest.mark.slow
def test_a_quick_run_sends_in_every_way() -> None:
    report = quick("channels", *(f"--channel={name}" for name in SOME))
    assert phases(report) == [("hub", SOME), ("sdk", SOME), ("loop", SOME)]
    for run in report["runs"]:
        for phase in run["phases"]:
            assert phase["sent"] == phase["arrived"] == phase["expected"]
    assert len(report["goals"]) == 2 * len(SOME)


def test_the_database_counts_in_the_sum_and_apart() -> None:
    found = Sent.of("sms", Cost(elapsed=2, own=0.5, postgres=1), expected=1_000, sent=1_000, arrived=1_000)
    assert (found.per_second, found.cpu_us, found.own_us, found.postgres_us) == (500, 1_500, 500, 1_000)
    assert found.problems() == []


def test_a_message_that_was_lost_or_doubled_spoils_the_figures() -> None:
    found = Sent.of("sms", Cost(1, 1, 1), expected=10, sent=9, arrived=11)
    assert found.problems() == ["9 of 10 messages sent", "11 of 10 messages arrived"]
