"""How slow the house was."""

import pytest

from ops.chaos.histories import Connected, History, Lost, Moment, Received
from ops.chaos.pace import Pace
from ops.chaos.truth import Entry, Sent, Truth

SEQS = (1, 2, 3)
TRUTH = Truth(
    [Entry(seq, f"e{seq}", seq * 1000.0) for seq in SEQS], [Sent(f"e{seq}", {}, 0.0) for seq in SEQS]
)
FAST = History("fast", "/feed", [Connected(0, recovered=False), *(Received(s * 1000.0, s, "") for s in SEQS)])
SLOW = History("slow", "/feed", [Connected(0, recovered=False), Received(1500, 1, ""), Received(9000, 2, "")])


@pytest.mark.parametrize(("at", "by"), [(900, 900), (1200, 1000), (1500, 1500), (8999, 2000), (9000, 9000)])
def test_what_is_due_has_come_when_the_slowest_has_it(at: float, by: float) -> None:
    assert Pace([FAST, SLOW], TRUTH).due_before(at) == by


def test_what_came_of_itself_in_time_holds_up_nothing() -> None:
    assert Pace([FAST], TRUTH).due_before(2500) == 2500


def test_what_is_given_back_was_due_when_the_client_came_back() -> None:
    back: list[Moment] = [
        Connected(0, recovered=False),
        Lost(1),
        Connected(60_000, recovered=True),
        Received(60_001, 1, "e1"),
    ]
    assert Pace([History("ann", "/feed", back)], TRUTH).due_before(30_000) == 30_000


def test_where_nothing_came_nothing_holds_up() -> None:
    assert Pace([], TRUTH).due_before(5000) == 5000


def test_what_is_not_in_the_log_is_left_out() -> None:
    odd = History(
        "ann", "/feed", [Connected(0, recovered=False), Received(1, 99, "x"), Received(2, None, "x")]
    )
    assert Pace([odd], TRUTH).due_before(5000) == 5000
