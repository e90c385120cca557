"""What is kept for those who come back: against a model that forgets nothing."""

from collections.abc import Mapping

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bus.base import PushEntry, Target, place
from gateways.sockets import frames
from gateways.sockets.history import MENTION_BYTES, PLACE_BYTES, History, Kept, TooMuchError

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


class Compared(RuleBasedStateMachine):
    """What the history answers is right; and it does answer, wherever it must still know."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.all: list[tuple[float, PushEntry]] = []
        self.history = History(WINDOW_S, MAX_BYTES, quiet_places=3, clock=lambda: self.now)

    @initialize(position=st.integers(0, 1000))
    def begin(self, position: int) -> None:
        self.start = position
        self.history.begin(position)

    @rule(found=targets, words=st.lists(controls, max_size=1), skipped=st.integers(1, 5))
    def happen(self, found: list[Target], words: list[tuple[str, ...]], skipped: int) -> None:
        before = self.history.head
        entry = PushEntry(before + skipped, before, tuple(found), tuple(words))
        self.history.add([entry])
        self.all.append((self.now, entry))

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
        said = [(e.seq, w) for _, e in self.all for w in e.controls if w[1] == user and e.seq > after]
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
            for _, entry in self.all
            for target in entry.targets
            if target.namespace == space and any(entry.seq > starts.get(r, entry.seq) for r in target.rooms)
        ]

    def _known_from(self) -> int:
        """From here on it has no excuse: all that came later is young, and fits."""
        size, known = 0, self.history.head
        for at, entry in reversed(self.all):
            mentions = sum(len(target.rooms) for target in entry.targets) + len(entry.controls)
            size += mentions * (MENTION_BYTES + PLACE_BYTES) + sum(len(t.packet) for t in entry.targets)
            if size > MAX_BYTES or at < self.now - WINDOW_S:
                return entry.seq
            known = entry.prev
        return max(known, self.start)


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
    assert not any(isinstance(kept.said, bytes) for kept in history._of(place("/feed", "a")))


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
        kept = Kept(10**18, Target.of("/notifications", ("a",), b'["%b"]' % (b"x" * size)))
        counted = kept.bytes_at_most()
        assert len(kept.frame()) <= counted
