"""What is said at the end."""

from dataclasses import replace

import pytest

from ops.chaos.histories import Connected, History, Lost, Moment, Received, Refused
from ops.chaos.report import KEPT_MS, SHOWN, Passed, Report, _returns

GONE, LEFT = "transport close", "io client disconnect"


def again(at: float, *, recovered: bool) -> Connected:
    return Connected(at, recovered=recovered, sid="s")


def passed(*moments: Moment, namespace: str = "/feed") -> Passed:
    return Passed.of([History("ann", namespace, list(moments))])


def with_recovery(*, returns: int, recovered: int, afresh: int) -> Passed:
    return replace(passed(), returns=returns, recovered=recovered, afresh=afresh)


def test_a_return_has_the_first_of_the_losses_before_it() -> None:
    first, second, back = Lost(2, GONE), Lost(3, "ping timeout"), again(4, recovered=True)
    assert list(_returns([again(1, recovered=False), first, second, back])) == [(first, back)]


def test_who_does_not_come_back_returns_not() -> None:
    assert list(_returns([again(1, recovered=False), Lost(2, GONE)])) == []


def test_what_clients_went_through_is_counted() -> None:
    found = passed(
        again(0, recovered=False),
        Received(1000, 1, "e1"),
        Lost(2000, GONE),
        Refused(2500, "overloaded"),
        again(4000, recovered=True),
        Received(6000, 2, "e2"),
        Lost(7000, LEFT),
        again(8000, recovered=False),
        Lost(9000, GONE),
        again(9500, recovered=False),
    )
    assert found == Passed(
        deliveries=2,
        connects=4,
        recovered=1,
        returns=2,
        afresh=1,
        told_fresh={LEFT: 1, GONE: 1},
        lost={GONE: 2, LEFT: 1},
        refused={"overloaded": 1},
        longest_absence_s=2.0,
        longest_silence_s=5.0,
    )


def test_who_was_away_for_too_long_need_not_be_recovered() -> None:
    entered, lost = again(0, recovered=False), Lost(1000, GONE)
    late = passed(entered, lost, again(1000 + KEPT_MS, recovered=False))
    assert (late.returns, late.afresh, late.told_fresh) == (0, 0, {GONE: 1})
    in_time = passed(entered, lost, again(999 + KEPT_MS, recovered=False))
    assert (in_time.returns, in_time.afresh) == (1, 1)


def test_only_the_feed_is_expected_to_speak_all_the_time() -> None:
    came = (Received(1000, 1, "e1"), Received(6000, 2, "e2"))
    assert passed(again(0, recovered=False), *came, namespace="/live").longest_silence_s == 0


def test_a_run_in_which_nobody_recovered_proves_nothing() -> None:
    assert with_recovery(returns=0, recovered=0, afresh=0).problems() == [
        "nobody recovered, so this run proves nothing: make it longer"
    ]


@pytest.mark.parametrize(
    ("returns", "afresh"),
    [(200, 20), (10, 3)],
    ids=["a tenth", "one connection, which is in all three namespaces"],
)
def test_more_than_a_few_may_not_begin_afresh(returns: int, afresh: int) -> None:
    def problems(times: int) -> list[str]:
        return with_recovery(returns=returns, recovered=1, afresh=times).problems()

    assert problems(afresh) == []
    assert problems(afresh + 1) == [
        f"{afresh + 1} of {returns} who came back began afresh, more than 10%:"
        " see why the gateways did not recover them"
    ]


def report(*problems: str) -> str:
    made = Report(
        seed=7,
        seconds=24,
        clients=30,
        rate=100,
        faults={"Valkey killed": 2, "connections cut": 1},
        published=5,
        relayed=5,
        batches_repeated=0,
        passed=passed(),
        problems=problems,
    )
    return made.to_text()


def test_the_text_says_that_all_is_well() -> None:
    text = report()
    assert "seed 7" in text
    assert "faults: Valkey killed 2, connections cut 1" in text
    assert "begun afresh, and told so, after: none" in text
    assert text.endswith("nothing lost, nothing doubled")


def test_the_text_shows_so_many_problems_and_counts_the_others() -> None:
    lines = report(*map(str, range(SHOWN + 2))).splitlines()
    assert lines[-3:] == [f"ERROR: {SHOWN - 1}", "ERROR: and 2 more", f"{SHOWN + 2} problems"]
