"""How a history is cut into lives, connections and stays."""

from math import inf

from ops.chaos.histories import Answered, Asked, Connected, History, Lost, Moment, Received
from ops.chaos.lives import Life, Stay, lives

ROOM = ("zone:a",)


def cut(*moments: Moment) -> list[Life]:
    return list(lives(History("ann", "/feed", list(moments))))


def connected(at: float, *, recovered: bool | None = False) -> Connected:
    return Connected(at, recovered=recovered, sid="s")


def test_a_life_lasts_until_the_next_fresh_beginning() -> None:
    first, second = cut(
        connected(1), Lost(2), connected(3, recovered=True), Lost(4), connected(5), Received(6, 1, "e1")
    )
    assert [len(first.moments), len(second.moments)] == [4, 2]
    assert [first.last, second.last] == [False, True]
    assert [first.got, second.got] == [set(), {1}]


def test_who_was_told_nothing_began_afresh() -> None:
    assert len(cut(connected(1), Lost(2), connected(3, recovered=None))) == 2


def test_who_never_got_in_has_no_life() -> None:
    assert cut(Lost(1)) == []


def test_a_connection_ends_with_the_first_loss_that_is_told() -> None:
    (life,) = cut(connected(1), Lost(2), Lost(3), connected(4, recovered=True))
    assert life.connections == [(1, 2), (4, inf)]


def test_own_rooms_are_entered_with_the_life() -> None:
    (life,) = cut(connected(1), Lost(2), connected(3, recovered=True))
    assert life.stays == [Stay("feed", 0, 1)]


def test_a_stay_lasts_from_the_last_question_before_an_answer_to_the_first_to_leave() -> None:
    (life,) = cut(
        connected(1),
        Asked(2, 1, joins=True, rooms=ROOM),
        Asked(3, 2, joins=True, rooms=ROOM),
        Answered(4, 2, ok=True),
        Asked(5, 3, joins=False, rooms=ROOM),
        Asked(6, 4, joins=False, rooms=ROOM),
        Answered(7, 4, ok=True),
    )
    assert life.stays[1:] == [Stay("zone:a", 2, 4, ends=4)]


def test_a_refused_question_begins_no_stay() -> None:
    (life,) = cut(
        connected(1), Asked(2, 1, joins=True, rooms=ROOM), Answered(3, 1, ok=False, code="internal")
    )
    assert [stay.room for stay in life.stays] == ["feed"]


def test_a_room_is_possible_from_the_question_to_enter_to_the_answer_to_leave() -> None:
    (life,) = cut(
        connected(1),
        Received(2, 1, "e1"),
        Asked(3, 1, joins=True, rooms=ROOM),
        Received(4, 2, "e2"),
        Answered(5, 1, ok=True),
        Asked(6, 2, joins=False, rooms=ROOM),
        Received(7, 3, "e3"),
        Answered(8, 2, ok=True),
        Received(9, 4, "e4"),
    )
    assert ["zone:a" in possible for _, possible in life.received] == [False, True, True, False]
    assert life.places == [1, 3, 6, 8]


def test_the_highest_number_so_far_stands_with_each_event() -> None:
    (life,) = cut(connected(1), Received(2, 5, "e5"), Received(3, None, "e"), Received(4, 3, "e3"))
    assert life.highest == [5, 5, 5]
