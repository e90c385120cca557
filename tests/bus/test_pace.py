"""How long a reader waits between two reads."""

from bus.pace import FEW, LINGER_S, Pace


def pauses(
    pace: Pace, *, every_s: float, seconds: float, entries: int = 1, start: float = 100.0
) -> list[float]:
    return [pace.pause_s(entries, start + n * every_s) for n in range(int(seconds / every_s))]


def test_few_entries_are_never_kept_waiting() -> None:
    assert set(pauses(Pace(), every_s=0.01, seconds=5)) == {0.0}


def test_the_first_entries_of_a_burst_are_not_kept_waiting() -> None:
    assert set(pauses(Pace(), every_s=0.001, seconds=0.2)) == {0.0}


def test_many_entries_one_by_one_are_read_together() -> None:
    assert pauses(Pace(), every_s=0.001, seconds=1)[-1] == LINGER_S


def test_what_comes_in_heaps_already_is_read_at_once() -> None:
    assert set(pauses(Pace(), every_s=0.01, seconds=1, entries=FEW)) == {0.0}


def test_after_a_silence_nothing_waits() -> None:
    pace = Pace()
    pauses(pace, every_s=0.001, seconds=1)
    assert pace.pause_s(1, 200.0) == 0.0


def test_when_it_gets_quiet_again_nothing_waits() -> None:
    pace = Pace()
    pauses(pace, every_s=0.001, seconds=1)
    assert pauses(pace, every_s=0.01, seconds=2, start=101.0)[-1] == 0.0
