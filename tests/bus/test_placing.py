"""Where events go: partitions, targets, and the fields they travel in."""

from hypothesis import given
from hypothesis import strategies as st

from bus.base import Target, place
from bus.render import partition_of, push_fields, targets
from bus.retry import Retry
from schemas.events.base import Event
from schemas.events.hours import HoursTipped
from tests.strategies import events, ids

PLACES = [7, 2, 3, 3]  # what a database of an older version was filled by


@given(subject=ids(300), partitions=st.integers(1, 256))
def test_the_partition_of_a_subject_is_one_of_those_there_are(subject: str, partitions: int) -> None:
    assert 0 <= partition_of(subject, partitions) < partitions


def test_the_partition_of_a_subject_never_changes_between_versions() -> None:
    assert [partition_of(subject, 8) for subject in ("content:c1", "user:bob", "system", "zone:ö")] == PLACES


def test_subjects_spread_over_the_partitions() -> None:
    counts = [0] * 8
    for n in range(8000):
        counts[partition_of(f"content:c{n}", 8)] += 1
    assert min(counts) > 800


@given(events())
def test_every_room_of_an_event_is_reached_by_exactly_one_target_of_its_namespace(event: Event) -> None:
    found = targets(event)
    wanted = {(audience.namespace, audience.room) for audience in event.audience()}
    reached = [(target.namespace, room) for target in found for room in target.rooms]
    assert sorted(reached) == sorted(wanted)
    assert len({target.namespace for target in found}) == len(found)


@given(st.sampled_from(["/feed", "/live"]), st.lists(ids(), min_size=1, max_size=5, unique=True), st.binary())
def test_a_target_tells_what_it_was_made_of(namespace: str, rooms: list[str], packet: bytes) -> None:
    target = Target.of(namespace, rooms, packet)
    assert (target.namespace, target.rooms, target.packet) == (namespace, tuple(rooms), packet)
    places = tuple(place(namespace, room) for room in rooms)
    assert (target.several or (target.name,)) == places


def test_a_room_named_twice_is_one_place() -> None:
    assert Target.of("/feed", ["a", "b", "a"], b"").several == (b"/feed\0a", b"/feed\0b")
    assert Target.of("/feed", ["a", "a"], b"").several == (b"/feed\0a",)


def test_the_note_of_a_tip_is_for_the_receiver_only() -> None:
    tip = HoursTipped(to="bob", amount=500, content_id="c1", note="for you", actor="ann")
    by_namespace = {target.namespace: target.packet for target in targets(tip)}
    assert b"for you" in by_namespace["/notifications"]
    assert b"for you" not in by_namespace["/feed"]


def test_a_row_without_its_event_is_shown_to_nobody() -> None:
    assert push_fields({"control": None, "packet": None, "id": None}) == []


@given(st.integers(1, 10_000))
def test_waits_grow_up_to_the_longest_and_never_overflow(attempts: int) -> None:
    retry = Retry()
    assert retry.first <= retry.delay(attempts) <= retry.longest
    assert retry.delay(attempts) <= retry.delay(attempts + 1)
