"""What is kept for those who come back: against a model that forgets nothing."""

import gc
import tracemalloc
from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bus.base import PushEntry, Target
from gateways.sockets import frames
from gateways.sockets.framing import Framing, numeral
from gateways.sockets.history import (
    AGE_BYTES,
    AT_A_TIME,
    DEQUE_BYTES,
    MENTION_BYTES,
    PLACE_BYTES,
    TARGET_BYTES,
    History,
    TooMuchError,
)

SPACES = ["/feed", "/live"]
ROOMS = ["a", "b", "c", "d"]
USERS = ["ann", "bob"]
WINDOW_S = 10.0
MAX_BYTES = 12_000
PLENTY = 1 << 20

spaces = st.sampled_from(SPACES)
rooms = st.lists(st.sampled_from(ROOMS), min_size=1, max_size=3, unique=True).map(tuple)
targets = st.lists(
    st.builds(Target.of, spaces, rooms, st.integers(1, 60).map(lambda n: b'["e%d"]' % n)), max_size=2
)
controls = st.tuples(
    st.sampled_from(["join", "leave"]), st.sampled_from(USERS), spaces, st.sampled_from(ROOMS)
)
happenings = st.tuples(targets, st.lists(controls, max_size=1), st.integers(1, 5))


class Compared(RuleBasedStateMachine):
    """What the history answers is right; and it does answer, wherever it must still know."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.all: list[tuple[float, int, PushEntry]] = []
        """With the moment, and the number of the last entry that came with it."""
        self.history = History(WINDOW_S, MAX_BYTES, quiet_places=3, clock=lambda: self.now)

    @initialize(position=st.integers(0, 1000))
    def begin(self, position: int) -> None:
        self.start = position
        self.history.begin(position)

    @rule(batch=st.lists(happenings, min_size=1, max_size=5))
    def happen(self, batch: list[tuple[list[Target], list[tuple[str, ...]], int]]) -> None:
        before, entries = self.history.head, []
        for found, words, skipped in batch:
            entries.append(PushEntry(before + skipped, before, tuple(found), tuple(words)))
            before += skipped
        self.history.add(entries)
        self.all += [(self.now, before, entry) for entry in entries]

    @rule(seconds=st.floats(0.1, 8))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        space=spaces,
        wanted=st.dictionaries(st.sampled_from(ROOMS), st.integers(-60, 0), max_size=3),
        back=st.integers(-3, 60),
    )
    def come_back(self, space: str, wanted: Mapping[str, int], back: int) -> None:
        after = self.history.head - back
        joined = {room: self.history.head + since for room, since in wanted.items()}
        answer = self.history.missed(space, joined, after, PLENTY)
        if back < 0:
            assert answer is None, "nobody can have seen what is not there yet"
            return
        starts = {room: max(after, since) for room, since in joined.items()}
        if answer is not None:
            # Right also about what it dropped, and silent about what was before it began.
            assert all(start >= self.start for start in starts.values())
            assert sorted(answer) == sorted(self._owed(space, starts))
            numbers = [int(frame.rsplit(b'"', 2)[1]) for frame in answer]
            assert numbers == sorted(numbers)
        else:
            assert min(starts.values()) < self._known_from()

    @rule(user=st.sampled_from(USERS), back=st.integers(0, 60))
    def ask_for_words(self, user: str, back: int) -> None:
        after = self.history.head - back
        answer = self.history.words(user, after)
        if answer is None:
            assert after < self._known_from()
            return
        assert after >= self.start
        said = [(e.seq, w) for _, _, e in self.all for w in e.controls if w[1] == user and e.seq > after]
        assert answer == said

    @rule(space=spaces, wanted=rooms)
    def ask_for_the_last(self, space: str, wanted: tuple[str, ...]) -> None:
        last = self.history.last(space, wanted)
        assert last <= self.history.head
        assert not self._owed(space, dict.fromkeys(wanted, max(last, self.start)))

    @invariant()
    def stays_within_its_bytes(self) -> None:
        assert self.history.size <= MAX_BYTES
        assert self.history.size >= 0

    def _owed(self, space: str, starts: Mapping[str, int]) -> list[bytes]:
        return [
            frames.numbered(space, target.packet, entry.seq)
            for _, _, entry in self.all
            for target in entry.targets
            if target.namespace == space and any(entry.seq > starts.get(r, entry.seq) for r in target.rooms)
        ]

    def _known_from(self) -> int:
        """From here on it has no excuse: all that came later is young, and fits."""
        size, known = 0, self.history.head
        for at, upto, entry in reversed(self.all):
            size += AGE_BYTES + sum(_at_most(target) for target in entry.targets)
            size += sum(
                _at_most(Target.of("", (words[1],), "\0".join(words).encode())) for words in entry.controls
            )
            if size > MAX_BYTES or at < self.now - WINDOW_S:
                return upto  # what came at once is dropped at once
            known = entry.prev
        return max(known, self.start)


def _at_most(target: Target) -> int:
    of_places = len(target.rooms) * (MENTION_BYTES + PLACE_BYTES + DEQUE_BYTES)
    return TARGET_BYTES + len(target.packet) + 2 * len(target.name) + of_places


TestCompared = Compared.TestCase
TestCompared.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def entry(seq: int, *wanted: str) -> PushEntry:
    return PushEntry(seq, seq - 1, (Target.of("/feed", wanted, b'["e",{}]'),))


def test_a_quiet_room_is_complete_however_old_the_offset() -> None:
    now = 0.0
    history = History(10, 1 << 20, clock=lambda: now)
    history.begin(0)
    history.add([entry(1, "quiet"), entry(2, "busy")])
    for seq in range(3, 100):
        now += 1
        history.add([entry(seq, "busy")])
    assert history.missed("/feed", {"quiet": 0}, 1, PLENTY) == []
    assert history.missed("/feed", {"quiet": 0}, 0, PLENTY) is None
    assert history.missed("/feed", {"quiet": 0, "busy": 0}, 1, PLENTY) is None


def test_a_packet_for_two_of_the_rooms_comes_once_and_is_framed_once() -> None:
    history = History(10, 1 << 20)
    history.add([entry(1, "a", "b"), entry(2, "b")])
    first = history.missed("/feed", {"a": 0, "b": 0}, 0, PLENTY)
    assert first == [frames.numbered("/feed", b'["e",{}]', seq) for seq in (1, 2)]
    again = history.missed("/feed", {"b": 0}, 0, PLENTY)
    assert again is not None
    assert again[0] is first[0]


def test_two_packets_of_one_entry_keep_their_order() -> None:
    history = History(10, 1 << 20)
    first, second = (Target.of("/feed", ("a",), packet) for packet in (b'["first"]', b'["second"]'))
    history.add([entry(1, "b"), PushEntry(2, 1, (first, second)), entry(3, "b")])
    missed = history.missed("/feed", {"a": 0, "b": 0}, 0, PLENTY)
    assert missed is not None
    assert missed[1:3] == [frames.numbered("/feed", one.packet, 2) for one in (first, second)]


def test_a_room_counts_from_its_own_number_on() -> None:
    history = History(10, 1 << 20)
    history.add([entry(1, "a"), entry(2, "b"), entry(3, "a"), entry(4, "b")])
    missed = history.missed("/feed", {"a": 2, "b": 3}, 1, PLENTY)
    assert missed == [frames.numbered("/feed", b'["e",{}]', seq) for seq in (3, 4)]


def test_begun_anew_it_knows_nothing_from_before() -> None:
    history = History(10, 1 << 20)
    history.add([entry(1, "a"), entry(2, "a")])
    history.begin(5)
    assert history.missed("/feed", {"a": 0}, 1, PLENTY) is None
    assert history.missed("/feed", {"a": 0}, 5, PLENTY) == []
    assert history.size == 0


def test_more_than_may_be_given_is_found_before_all_of_it_was_walked_and_framed() -> None:
    history = History(10, 1 << 20)
    history.add([entry(seq, "a", "b") for seq in range(1, 1001)])
    with pytest.raises(TooMuchError):
        history.missed("/feed", {"a": 0}, 0, 1000)
    assert not history._framing._made


def test_the_bound_is_of_the_frames_and_counts_each_once() -> None:
    history = History(10, 1 << 20)
    history.add([entry(seq, "a", "b") for seq in range(1, 11)])
    frames_of_all = history.missed("/feed", {"a": 0}, 0, PLENTY)
    assert frames_of_all is not None
    size = len(b"".join(frames_of_all))
    assert history.missed("/feed", {"a": 0, "b": 0}, 0, size) == frames_of_all
    with pytest.raises(TooMuchError):
        history.missed("/feed", {"a": 0, "b": 0}, 0, size - 1)


def test_no_frame_is_larger_than_it_was_counted() -> None:
    for size in (10, 200, 70_000):
        framing, packet = Framing(), numeral(10**18) + b'["%b"]' % (b"x" * size)
        counted = framing.bytes_at_most(packet)
        assert len(framing.frame("/notifications", packet)) <= counted


def test_frames_for_those_who_come_back_are_bounded_and_made_again() -> None:
    framing = Framing(max_bytes=5000)
    made = [numeral(seq) + b'["e%d"]' % seq for seq in range(100)]
    for seq, packet in enumerate(made):
        assert framing.frame("/feed", packet) == frames.numbered("/feed", b'["e%d"]' % seq, seq)
    assert len(framing._made) < 20
    assert framing.frame("/feed", made[0]) == frames.numbered("/feed", b'["e0"]', 0)


def test_an_entry_for_a_thousand_people_does_not_push_out_the_rest() -> None:
    history = History(120, 64 << 20)
    history.begin(0)
    history.add([entry(1, "feed")])
    for seq in range(2, 102):
        people = [f"user:01990000-0000-7000-8000-{seq:06}{number:06}" for number in range(1000)]
        history.add([PushEntry(seq, seq - 1, (Target.of("/notifications", people, b'["n",{}]'),))])
    assert history.missed("/feed", {"feed": 0}, 0, PLENTY) is not None


@pytest.mark.parametrize("rooms", [1, 1000])
@pytest.mark.parametrize("places", [1, 7, 100_000])
def test_what_it_counts_is_what_it_takes(rooms: int, places: int) -> None:
    """Not less, and not so much more that memory lies idle."""
    history, count = History(120, 1 << 30), 10_000 // rooms
    tracemalloc.start()
    try:
        for start in range(1, count + 1, 500):
            history.add([_to_some(seq, rooms, places) for seq in range(start, min(start + 500, count + 1))])
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.95 * taken < history.size < 1.8 * taken


def test_what_it_keeps_is_left_out_of_the_search_for_garbage() -> None:
    history = History(120, 1 << 30)
    before = len(gc.get_objects())
    history.add([_to_some(seq, 1, 7) for seq in range(1, 10_001)])
    assert len(gc.get_objects()) - before < 10_000 // AT_A_TIME * 3


def _to_some(seq: int, rooms: int, places: int) -> PushEntry:
    users = [f"user:{(seq * rooms + number) % max(places, rooms)}" for number in range(rooms)]
    return PushEntry(seq, seq - 1, (Target.of("/notifications", users, b'["n","%b"]' % bytes(300)),))


def test_a_room_named_twice_is_kept_once_and_forgotten_once() -> None:
    now = 0.0
    history = History(10, 1 << 20, clock=lambda: now)
    history.add([entry(1, "a", "a"), entry(2, "a", "b", "a"), entry(3, "a")])
    first = history.missed("/feed", {"a": 0}, 0, PLENTY)
    assert first == [frames.numbered("/feed", b'["e",{}]', seq) for seq in (1, 2, 3)]
    now = 5
    history.add([entry(4, "a")])
    now = 12
    history.add([entry(5, "a")])  # the first three are too old now
    assert history.missed("/feed", {"a": 0}, 2, PLENTY) is None
    rest = history.missed("/feed", {"a": 0, "b": 0}, 3, PLENTY)
    assert rest == [frames.numbered("/feed", b'["e",{}]', seq) for seq in (4, 5)]
    now = 30
    history.add([entry(6, "c")])
    now = 50
    history.add([PushEntry(7, 6)])
    assert (history.size, history._places) == (0, {})


def test_an_entry_that_says_nothing_twice_is_forgotten_like_any_other() -> None:
    now = 0.0
    history = History(10, 1 << 20, clock=lambda: now)
    silent = Target.of("/feed", ("a",), b"")
    history.add([PushEntry(1, 0, (silent, silent), (("",), ("",)))])
    now = 20
    history.add([PushEntry(2, 1)])
    assert (history.size, history._places) == (0, {})


def test_of_a_batch_larger_than_the_bound_the_newest_stays() -> None:
    history = History(10, 48 << 10)
    history.begin(0)
    history.add([entry(seq, "a") for seq in range(1, 501)])
    last = 500 - 500 % AT_A_TIME
    missed = history.missed("/feed", {"a": 0}, last, PLENTY)
    assert missed == [frames.numbered("/feed", b'["e",{}]', seq) for seq in range(last + 1, 501)]
    assert history.missed("/feed", {"a": 0}, 0, PLENTY) is None


def test_a_quiet_room_is_known_through_one_change_of_generations() -> None:
    now = 0.0
    history = History(10, 1 << 20, quiet_places=10, clock=lambda: now)
    history.begin(0)
    history.add([entry(1, "quiet"), entry(2, "other")])

    for seq in range(3, 23):  # the 12th makes room for a younger generation, the 23rd for another
        now += 20
        history.add([entry(seq, f"busy{seq}")])
        assert history.missed("/feed", {"quiet": 0}, 1, PLENTY) == []
    assert (history.floor, len(history._dropped_before)) == (0, 11)
    now += 20
    history.add([entry(23, "busy23")])
    assert history.floor == 11
    assert history.missed("/feed", {"quiet": 0}, 1, PLENTY) is None
    assert history.missed("/feed", {"quiet": 0}, 11, PLENTY) == []


def test_many_places_dropped_at_once_change_generations_as_they_go() -> None:
    """Else what is known of quiet places could grow far beyond its bound."""
    now = 0.0
    history = History(10, 1 << 30, quiet_places=100, clock=lambda: now)
    history.begin(0)
    for seq in range(1, 2001):
        history.add([entry(seq, f"room{seq}")])
    now = 20
    history.add([PushEntry(2001, 2000)])
    assert len(history._dropped) + len(history._dropped_before) <= 202
