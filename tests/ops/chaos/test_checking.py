"""The verdict on histories made by hand: a right one passes, and each kind of defect is found."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ops.chaos.checking import PATIENCE_MS, check
from ops.chaos.histories import Answered, Asked, Connected, History, Lost, Moment, Received
from ops.chaos.truth import Entry, Sent, Truth

ROOMS = {
    1: ("feed",),
    2: ("zone:a",),
    3: ("feed", "zone:a"),
    4: ("zone:b",),
    5: ("zone:a",),
    6: ("feed",),
    7: ("zone:a",),
    8: ("feed",),
}
"""The rooms of the events, by number; event n is first sent at n × 1000."""
ENTER, ENTERED = Asked(1200, 1, joins=True, rooms=("zone:a",)), Answered(1300, 1, ok=True)
ENTERS = (ENTER, ENTERED)
LEAVE, LEFT = Asked(5500, 2, joins=False, rooms=("zone:a",)), Answered(5600, 2, ok=True)
LEAVES = (LEAVE, LEFT)
LOST = Lost(4100, "transport close")
BACK = (LOST, Connected(4200, recovered=True, sid="s"))
AFRESH = (LOST, Connected(4200, recovered=False, sid="t"))


def truth() -> Truth:
    sent = [Sent(f"e{seq}", {"/feed": rooms}, seq * 1000.0) for seq, rooms in ROOMS.items()]
    return Truth([Entry(seq, f"e{seq}", seq * 1000.0) for seq in ROOMS], sent)


def came(*seqs: int) -> list[Moment]:
    return [Received(seq * 1000.0 + 5, seq, f"e{seq}") for seq in seqs]


def found(*parts: Sequence[Moment], entered: bool = True) -> Sequence[str]:
    """What is found in the history of a client that was let in, and then went through this."""
    begin: list[Moment] = [Connected(500, recovered=False, sid="s")] if entered else []
    moments = [*begin, *(moment for part in parts for moment in part)]
    return [str(finding) for finding in check([History("ann", "/feed", moments)], truth())]


def test_a_history_without_a_gap_passes() -> None:
    assert found(came(1), ENTERS, came(2, 3), BACK, came(5, 6, 7, 8)) == []


def test_a_history_passes_that_left_a_room_and_entered_it_again() -> None:
    again: list[Moment] = [Asked(6100, 3, joins=True, rooms=("zone:a",)), Answered(6200, 3, ok=True)]
    assert found(came(1), ENTERS, came(2, 3, 5), LEAVES, came(6), again, came(7, 8)) == []


def test_a_history_passes_that_began_afresh() -> None:
    assert found(came(1), ENTERS, came(2), AFRESH, came(6, 8)) == []


def test_who_enters_late_may_begin_with_what_was_sent_before() -> None:
    late, answered = replace(ENTER, at=5100.0), replace(ENTERED, at=5200.0)
    assert found(came(1, 3), [late, answered], came(5, 6, 7, 8)) == []


def test_a_gap_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3), BACK, came(6, 7, 8)) == [
        "ann /feed zone:a: missed 1 events in between (entry 5)"
    ]


def test_a_gap_before_leaving_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3, 6), LEAVES, came(8)) == [
        "ann /feed zone:a: missed 1 events at the end (entry 5)"
    ]


def test_what_is_under_way_while_a_client_leaves_may_be_missing() -> None:
    assert found(came(1), ENTERS, came(2, 3), LEAVES, came(6, 8)) == []


def test_what_comes_between_leaving_and_its_answer_may_have_gaps() -> None:
    again: list[Moment] = [replace(LEAVE, number=3), replace(LEFT, number=3)]
    assert found(came(1), ENTERS, came(2, 3), [LEAVE], BACK, came(7), again, came(8)) == [
        "ann /feed feed: missed 1 events in between (entry 6)"
    ]


def test_what_comes_before_the_answer_of_a_repeated_command_may_have_gaps() -> None:
    again: list[Moment] = [replace(ENTER, number=2, at=6100.0), replace(ENTERED, number=2, at=6200.0)]
    assert found(came(1), [ENTER], came(2, 3), BACK, came(6), again, came(7, 8)) == []


def test_an_event_that_came_twice_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3), BACK, came(3, 5, 6, 7, 8)) == [
        "ann /feed: got an event twice (entry 3)"
    ]


def test_disorder_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 5, 3, 6, 7, 8)) == ["ann /feed: got an event after 5 (entry 3)"]


def test_an_event_of_a_foreign_room_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3, 4, 5, 6, 7, 8)) == [
        "ann /feed zone:b: got an event of rooms in which it was not (entry 4)"
    ]


def test_an_event_after_the_answer_to_leaving_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3, 5), LEAVES, came(6, 7, 8)) == [
        "ann /feed zone:a: got an event of rooms in which it was not (entry 7)"
    ]


def test_a_room_of_an_earlier_life_is_foreign_in_the_next() -> None:
    assert found(came(1), ENTERS, came(2, 3), AFRESH, came(6, 7, 8)) == [
        "ann /feed zone:a: got an event of rooms in which it was not (entry 7)"
    ]


def test_a_missing_tail_is_found() -> None:
    assert found(came(1), ENTERS, came(2, 3, 5, 6, 8)) == [
        "ann /feed zone:a: missed 1 events at the end (entry 7)"
    ]


def test_a_missing_head_is_found() -> None:
    assert found(came(1), ENTERS, came(3, 5, 6, 7, 8)) == [
        "ann /feed zone:a: missed 1 events at the beginning (entry 2)"
    ]


def test_a_room_in_which_nothing_came_at_all_is_found() -> None:
    assert found(came(1), ENTERS, came(3, 6, 8)) == ["ann /feed zone:a: missed 3 events in between (entry 2)"]


def test_who_never_came_back_is_found() -> None:
    assert found(came(1, 3), [Lost(3500, "transport close")]) == ["ann /feed: never came back"]


def test_who_never_got_in_is_found() -> None:
    assert found(entered=False) == ["ann /feed: never got in"]


def test_who_was_told_nothing_is_found() -> None:
    untold: list[Moment] = [LOST, Connected(4200, recovered=None, sid="t")]
    assert found(came(1, 3), untold, came(6, 8)) == ["ann /feed: was not told whether it was recovered"]


def test_who_was_recovered_as_somebody_else_is_found() -> None:
    other: list[Moment] = [LOST, Connected(4200, recovered=True, sid="t")]
    assert found(came(1, 3), other, came(6, 8)) == ["ann /feed: was recovered under another id"]


def test_an_event_with_the_offset_of_another_is_found() -> None:
    assert found(came(1, 3), [Received(6005, 6, "e8")], came(8)) == [
        "ann /feed: got e8, which is not there in the log (entry 6)"
    ]


def test_an_event_without_an_offset_is_found() -> None:
    assert found(came(1, 3, 6), [Received(6100, None, "e4")], came(8)) == [
        "ann /feed: got event e4 without an offset"
    ]


def test_a_log_that_lost_doubled_or_invented_events_is_found() -> None:
    sent = [Sent(event, {}, 0.0) for event in ("one", "two")]
    assert Truth([Entry(1, "one", 0.0), Entry(2, "one", 0.0), Entry(3, "other", 0.0)], sent).faults == [
        "event one is in the log twice: as 1 and as 2",
        "entry 3 is an event that nobody published: other",
        "event two was accepted, and is not in the log",
    ]


def test_who_was_recovered_at_first_and_never_came_afresh_is_found() -> None:
    assert found([Connected(500, recovered=True, sid="s")], entered=False) == [
        "ann /feed: was recovered before it had ever been there"
    ]


STREAM = ("live:s1",)
LONG = 8000 + PATIENCE_MS
"""Long after the last event."""


def found_live(
    *parts: Sequence[Moment], others: Sequence[History] = (), upgrades: bool = False
) -> Sequence[str]:
    """What is found in a history of /live that begins with joining a stream; all events are of this one."""
    moments: list[Moment] = [
        Connected(500, recovered=False, sid="s"),
        Asked(600, 1, joins=True, rooms=STREAM),
        Answered(700, 1, ok=True),
        *(moment for part in parts for moment in part),
    ]
    history = History("ann", "/live", moments, upgrades=upgrades)
    sent = [Sent(f"e{seq}", {"/live": STREAM}, seq * 1000.0) for seq in ROOMS]
    log = [Entry(seq, f"e{seq}", seq * 1000.0) for seq in ROOMS]
    return [str(finding) for finding in check([history, *others], Truth(log, sent))]


def leaves(at: float) -> list[Moment]:
    return [Asked(at, 2, joins=False, rooms=STREAM), Answered(at + 100, 2, ok=True)]


def lost(at: float, reason: str = "transport close") -> list[Moment]:
    return [Lost(at, reason)]


def back(at: float, *, recovered: bool = True) -> list[Moment]:
    return [Connected(at, recovered=recovered, sid="s" if recovered else "t")]


def test_a_room_that_was_forgotten_when_its_client_was_recovered_is_found() -> None:
    assert found_live(came(1), lost(1500), back(1600), leaves(LONG + 1)) == [
        "ann /live live:s1: missed 7 events at the end (entry 2)"
    ]


def test_a_room_that_was_acknowledged_and_stayed_silent_is_found() -> None:
    assert found_live(leaves(LONG + 1)) == ["ann /live live:s1: missed 8 events at the beginning (entry 1)"]


def test_a_silence_before_a_fresh_beginning_is_found() -> None:
    assert found_live(came(1), lost(LONG + 1), back(LONG + 100, recovered=False)) == [
        "ann /live live:s1: missed 7 events at the end (entry 2)"
    ]


def test_who_was_recovered_and_given_nothing_back_before_a_fresh_beginning_is_found() -> None:
    away = [*lost(1500), *back(8500)]
    assert found_live(came(1), away, lost(8501 + PATIENCE_MS), back(LONG + 1000, recovered=False)) == [
        "ann /live live:s1: missed 7 events at the end (entry 2)"
    ]


def test_a_silence_is_found_though_shorter_connections_follow() -> None:
    assert found_live(came(1), lost(LONG + 1), back(LONG + 100), leaves(LONG + 200)) == [
        "ann /live live:s1: missed 7 events at the end (entry 2)"
    ]


def test_what_was_late_and_given_back_after_all_is_not_missing() -> None:
    late: list[Moment] = [Received(LONG + 150, seq, f"e{seq}") for seq in ROOMS if seq > 1]
    assert found_live(came(1), lost(LONG + 1), back(LONG + 100), late, leaves(LONG + 200)) == []


def test_only_what_had_time_enough_is_owed_at_the_end_of_a_stay() -> None:
    assert found_live(came(1), leaves(3001 + PATIENCE_MS)) == [
        "ann /live live:s1: missed 2 events at the end (entry 2)"
    ]
    assert found_live(came(1, 2, 3), leaves(4000 + PATIENCE_MS)) == []


def test_nothing_is_owed_at_the_end_of_connections_that_were_all_short() -> None:
    breaks = [*lost(10_000), *back(10_100), *lost(20_000), *back(20_100)]
    assert found_live(came(1), breaks, leaves(30_000)) == []


def test_who_waits_no_longer_than_the_slowest_of_the_others_is_not_wrong() -> None:
    silent = [*came(1), *leaves(2001 + PATIENCE_MS)]
    assert found_live(silent) != []
    slow = History("bob", "/live", [Connected(500, recovered=False, sid="b"), Received(2500, 2, "e2")])
    assert not any(one.startswith("ann") for one in found_live(silent, others=[slow]))


def test_a_client_that_upgrades_may_fall_silent_by_itself() -> None:
    assert (
        found_live(came(1), lost(LONG + 1, "ping timeout"), back(LONG + 100, recovered=False), upgrades=True)
        == []
    )


@pytest.mark.parametrize("reason", ["ping timeout", "io client disconnect"])
def test_a_client_that_does_not_upgrade_may_not_however_it_ends(reason: str) -> None:
    assert found_live(came(1), lost(LONG + 1, reason), back(LONG + 100, recovered=False)) != []
