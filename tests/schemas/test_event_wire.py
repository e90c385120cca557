"""The CloudEvents form of every event, and what a socket gets of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given

from schemas.events.base import ENVELOPE, Event
from schemas.events.content import ContentCommented, ContentCreated
from schemas.events.hours import HoursTipped
from schemas.events.notifications import NotificationCreated
from schemas.events.registry import REGISTRY, InvalidEventError, UnknownEventTypeError
from schemas.events.system import SystemAnnounced
from tests.strategies import events


@given(events())
def test_every_event_survives_the_wire(event: Event) -> None:
    wire = orjson.loads(orjson.dumps(event.to_wire()))
    assert wire == event.to_wire()
    assert REGISTRY.decode(wire) == event
    assert REGISTRY.parse(wire, source_default="other") == event


@given(events())
def test_a_packet_says_what_the_wire_says(event: Event) -> None:
    packet, wire = orjson.loads(event.to_packet()), event.to_wire()
    assert list(packet) == ["id", "type", "time", "subject", "actor", "data"]
    assert packet == {name: wire.get(name) for name in packet}


@given(events())
def test_the_users_of_an_event_are_found_in_its_json(event: Event) -> None:
    wire = event.to_wire()
    assert event.users() <= {wire.get("actor"), *flat(wire["data"].values())}
    assert event.actor is None or event.actor in event.users()


def flat(values: Any) -> set[object]:
    return {part for value in values for part in (value if isinstance(value, list) else [value])}


def test_the_users_of_an_event_are_everyone_it_names() -> None:
    event = ContentCommented(
        content_id="c1", author="alice", text="hi", mentions=("carol", "dan"), actor="bob"
    )
    assert event.users() == {"alice", "bob", "carol", "dan"}
    assert SystemAnnounced(title="t", text="alice").users() == frozenset()


@pytest.mark.parametrize("cls", REGISTRY.types(), ids=lambda cls: cls.name)
def test_a_type_says_in_one_sentence_what_it_means(cls: type[Event]) -> None:
    assert cls.__doc__
    assert cls.__doc__.endswith(".")
    assert "\n" not in cls.__doc__


@pytest.mark.parametrize("cls", REGISTRY.types(), ids=lambda cls: cls.name)
def test_the_schema_of_the_data_shows_its_names_on_the_wire(cls: type[Event]) -> None:
    schema = cls.data_schema()
    assert list(schema["properties"]) == list(cls.data_members)
    assert set(schema["required"]) <= cls.data_members.keys()
    assert schema["description"] == cls.__doc__


@pytest.mark.parametrize("cls", REGISTRY.types(), ids=lambda cls: cls.name)
def test_no_member_hides_one_of_the_envelope(cls: type[Event]) -> None:
    assert not ENVELOPE & set(cls.data_members.values())


def test_what_is_left_out_is_filled_in() -> None:
    event = REGISTRY.parse({"type": "hours.tipped", "data": {"to": "bob", "amount": 5}}, source_default="svc")
    assert event.id.version == 7
    assert timedelta(0) <= datetime.now(UTC) - event.time < timedelta(minutes=1)  # noqa: TID251 - against the real clock
    assert (event.source, event.subject, event.actor) == ("svc", "user:bob", None)


def test_null_is_the_same_as_absent() -> None:
    nothing = dict.fromkeys(["specversion", "id", "time", "source", "subject", "actor", "datacontenttype"])
    data = {"to": "bob", "amount": 5, "note": None}
    event = REGISTRY.parse({**nothing, "type": "hours.tipped", "data": data}, source_default="svc")
    assert event.source == "svc"
    assert event.data() == {"to": "bob", "amount": 5}


def test_an_empty_list_is_not_the_same_as_an_absent_one() -> None:
    event = ContentCreated(content_id="c", author="a", kind="post", title="t", mentions=())
    assert event.data()["mentions"] == []


def test_times_are_kept_in_utc() -> None:
    wire = {
        "type": "governance.proposal_created",
        "time": "2026-03-01t00:30:00.5+02:00",
        "data": {"proposal_id": "p", "title": "t", "closes_at": "2026-01-01T00:00:00-00:00"},
    }
    read = REGISTRY.parse(wire, source_default="svc").to_wire()
    assert read["time"] == "2026-02-28T22:30:00.500000Z"
    assert read["data"]["closes_at"] == "2026-01-01T00:00:00Z"


def test_a_hidden_member_is_not_in_the_packet() -> None:
    event = HoursTipped(to="bob", amount=5, content_id="c", note="psst")
    shown = orjson.loads(event.to_packet(frozenset({"note"})))
    assert shown["data"] == {"to": "bob", "amount": 5, "content_id": "c"}


def test_a_notification_has_its_own_id_in_its_data() -> None:
    cls = NotificationCreated
    now = datetime(2026, 1, 1, tzinfo=UTC)
    event = cls(
        user="alice",
        notification_id=cls.model_fields["id"].get_default(call_default_factory=True),
        topic="tips",
        priority="immediate",
        title="A tip",
        count=1,
        created_at=now,
        updated_at=now,
        state="unread",
    )
    assert event.to_wire()["data"]["id"] == str(event.notification_id) != event.to_wire()["id"]


def test_the_log_may_hold_members_of_a_newer_hub() -> None:
    wire = HoursTipped(to="bob", amount=5).to_wire()
    newer = {**wire, "priority": 3, "data": {**wire["data"], "id": 7, "colour": "red"}}
    assert REGISTRY.decode(newer).to_wire() == wire


@pytest.mark.parametrize("member", ["id", "source", "subject", "time", "data"])
def test_the_log_may_not_have_lost_a_member(member: str) -> None:
    wire = HoursTipped(to="bob", amount=5).to_wire()
    del wire[member]
    with pytest.raises(InvalidEventError, match=member):
        REGISTRY.decode(wire)


def test_the_log_may_not_hold_a_wrong_value_or_an_unknown_type() -> None:
    wire = HoursTipped(to="bob", amount=5).to_wire()
    with pytest.raises(InvalidEventError, match=r"data\.amount"):
        REGISTRY.decode({**wire, "data": {"to": "bob", "amount": "5"}})
    with pytest.raises(UnknownEventTypeError, match=r"hours\.stolen"):
        REGISTRY.decode({**wire, "type": "hours.stolen"})
