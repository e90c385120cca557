"""What a publisher may not send, and how it is told so."""

from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.events.base import Event
from schemas.events.content import ContentLiked
from schemas.events.hours import HoursTipped
from schemas.events.registry import (
    REGISTRY,
    DuplicateEventTypeError,
    InvalidEventError,
    Registry,
    UnknownEventTypeError,
)
from schemas.events.wire import MAX_ERRORS, MAX_MEMBERS, unknown_members

TIP: dict[str, Any] = {"type": "hours.tipped", "data": {"to": "bob", "amount": 500}}
POST: dict[str, Any] = {
    "type": "content.created",
    "data": {"content_id": "c1", "author": "alice", "kind": "post", "title": "t"},
}
VIEW: dict[str, Any] = {"type": "content.viewed", "data": {"content_id": "c1", "author": "alice"}}
SALE: dict[str, Any] = {
    "type": "storefront.purchased",
    "data": {"order_id": "o1", "seller": "a", "buyer": "b", "amount_cents": 1, "currency": "EUR"},
}
MESSAGE: dict[str, Any] = {
    "type": "message.sent",
    "data": {"conversation_id": "v1", "message_id": "m1", "seq": 1, "sender": "alice"},
}
MILESTONE: dict[str, Any] = {"type": "milestone.reached", "data": {"user": "a", "kind": "likes", "value": 1}}


def read(wire: object) -> Event:
    return REGISTRY.parse(wire, source_default="svc")


def errors(wire: object) -> dict[str, str]:
    with pytest.raises(InvalidEventError) as caught:
        read(wire)
    assert orjson.dumps([error.message for error in caught.value.errors])
    return {error.path: error.message for error in caught.value.errors}


def with_data(wire: dict[str, Any], **data: object) -> dict[str, Any]:
    return {**wire, "data": {**wire["data"], **data}}


@pytest.mark.parametrize(
    ("wire", "member", "value"),
    [
        *((TIP, "amount", wrong) for wrong in [0, -5, "5", True, 5.0, 10**15 + 1, 10**400, [5], {}]),
        *(
            (TIP, "to", wrong)
            for wrong in ["", "x" * 65, "bo b", "bob\n", "bób", 5, ["bob"], "b\x00b", "\udc00"]
        ),
        *((TIP, "note", wrong) for wrong in ["", "x" * 10_001, "a\x00b", "\ud800", 5, ["a"]]),
        *((TIP, "content_id", wrong) for wrong in ["", "x" * 201, "a\nb", "a\x7fb", "a\x85b", "\x00", 5]),
        *((POST, "title", wrong) for wrong in ["", "x" * 301, "\x00", "a\udfffb", 5]),
        *((POST, "kind", wrong) for wrong in ["Post", "song", "", 1]),
        *((POST, "mentions", wrong) for wrong in ["bob", {"bob": 1}, ["x"] * 101, 5]),
        *((VIEW, "seconds", wrong) for wrong in [-1, True, "5", float("nan"), float("inf"), 10**400]),
        *((SALE, "currency", wrong) for wrong in ["eur", "EURO", "EU", "E1R", "EUR\n", 978]),
        *((SALE, "amount_cents", wrong) for wrong in [-1, 19.99, "1999", False]),
        *((MESSAGE, "seq", wrong) for wrong in [-1, 2**63, "1", True]),
        *((MESSAGE, "envelope", wrong) for wrong in ["", "SGVsbG8", "SGVsbG8=\n", "SGVs bG8=", "_-8=", 5]),
        *((MILESTONE, "value", wrong) for wrong in [2**63, -(2**63) - 1, "100", 1.5, True]),
        (
            {"type": "governance.proposal_created", "data": {"proposal_id": "p", "title": "t"}},
            "closes_at",
            "soon",
        ),
    ],
)
def test_a_wrong_value_is_refused_naming_its_path(wire: dict[str, Any], member: str, value: object) -> None:
    assert errors(with_data(wire, **{member: value})).keys() == {f"data.{member}"}


@pytest.mark.parametrize(
    ("wire", "member", "value"),
    [
        *((TIP, "amount", fine) for fine in [1, 10**15]),
        *((TIP, "note", fine) for fine in ["x" * 10_000, "two\nlines", "👩‍👩‍👧 ﷽", " "]),
        *((TIP, "content_id", fine) for fine in ["x" * 200, "https://example.com/a b", "zone:é/🏛"]),
        *(
            (POST, "url", fine)
            for fine in ["http://127.0.0.1:8080", "https://example.com?q=ö#top", "https://[::1]/"]
        ),
        *((POST, "mentions", fine) for fine in [[], ["x"] * 100]),
        *((VIEW, "seconds", fine) for fine in [0, 12, 12.5]),
        *((MESSAGE, "seq", fine) for fine in [0, 2**63 - 1]),
        *((MESSAGE, "envelope", fine) for fine in ["SGVsbG8=", "/+8=", "AAAA", "QQ=="]),
        *((MILESTONE, "value", fine) for fine in [2**63 - 1, -(2**63)]),
    ],
)
def test_a_value_at_its_limit_is_taken_as_it_is(wire: dict[str, Any], member: str, value: object) -> None:
    assert read(with_data(wire, **{member: value})).data()[member] == value


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://example.com",
        "//example.com",
        "http://",
        "https:///path",
        "https://exa mple.com",
        "https://example.com/\n",
        "https://example.com\\@evil.example.com",
        "https://example.com/" + "x" * 2_000,
        "",
        5,
    ],
)
def test_only_http_addresses_are_urls(url: object) -> None:
    assert errors(with_data(POST, url=url)).keys() == {"data.url"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("specversion", wrong) for wrong in ["0.3", "1", 1.0, "", ["1.0"], {}]),
        *(("datacontenttype", wrong) for wrong in ["text/plain", "application/jsonp", "", 5, []]),
        *(("source", wrong) for wrong in ["", "x" * 301, "a\nb", "a\x00", 5, "\ud800"]),
        *(("subject", wrong) for wrong in ["", "x" * 301, "a\tb", "\x00", 5, ["a"]]),
        *(("actor", wrong) for wrong in ["", "not a user", 5, {}, "a\x00"]),
        *(
            ("id", wrong)
            for wrong in [
                "",
                "1",
                7,
                "01980000000070008000000000000001",
                "{01980000-0000-7000-8000-000000000001}",
                "urn:uuid:01980000-0000-7000-8000-000000000001",
                "01980000-0000-7000-8000-000000000001\n",
                "0198000g-0000-7000-8000-000000000001",
                "٠1980000-0000-7000-8000-000000000001",
            ]
        ),
        *(
            ("time", wrong)
            for wrong in [
                "",
                0,
                1767225601,
                1.5,
                "1767225600",
                "2026-01-31",
                "2026-01-31T12:00:00",
                "2026-01-31 12:00:00Z",
                "2026-01-31T12:00Z",
                "2026-01-31T12:00:00+0200",
                "2026-01-31T12:00:00,5Z",
                "2026-02-30T12:00:00Z",
                "2026-01-31T24:00:00Z",
                "2026-01-31T12:00:61Z",
                "2026-01-31T12:00:00+24:00",
                "1969-12-31T23:59:59Z",
                "1970-01-01T00:00:00+00:01",
                "9999-12-31T23:59:59-00:01",
                "0000-01-01T00:00:00Z",
                "10000-01-01T00:00:00Z",
                "٢٠٢٦-01-31T12:00:00Z",
                "2026-01-31T12:00:00Z\n",
            ]
        ),
    ],
)
def test_a_wrong_envelope_is_refused_naming_its_member(member: str, value: object) -> None:
    assert errors({**TIP, member: value}).keys() == {member}


@pytest.mark.parametrize("name", ["", "Actor", "data_base64", "trace-id", "x" * 21, "a\n", "é", "٣"])
def test_a_name_that_no_extension_may_have_is_refused(name: str) -> None:
    assert len(errors({**TIP, name: "v"})) == 1


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("specversion", "1.0"),
        ("datacontenttype", "application/json"),
        ("datacontenttype", "Application/JSON; charset=utf-8"),
        ("id", "01980000-0000-7000-8000-00000000ABCD"),
        ("id", "9073926b-929f-11c2-abc9-fad77ae3e8eb"),
        ("time", "1970-01-01T00:00:00Z"),
        ("time", "9999-12-31T23:59:59.999999Z"),
        ("time", "2026-01-31t12:00:00.1234567891234z"),
        ("time", "2026-01-31T12:00:00-11:30"),
        ("subject", "x" * 300),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "a=b"),
        ("dataschema", "https://example.com/schema"),
        ("comexampleextension1", "v"),
        ("a", 1),
        ("a", True),
        ("a", None),
        ("colour", "red"),
    ],
)
def test_what_cloudevents_allows_is_taken(member: str, value: object) -> None:
    assert isinstance(read({**TIP, member: value}), HoursTipped)


def test_everything_wrong_is_reported_at_once() -> None:
    wire = {
        **with_data(POST, kind="song", mentions=["bob", "not a user", 5], colour="red"),
        "id": "1",
        "time": 0,
        "specversion": "2.0",
        "Extension": 1,
        "extension": {},
    }
    del wire["data"]["title"]
    assert errors(wire) == {
        "id": "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057",
        "time": "must be an RFC 3339 time with its zone, from 1970 to 9999, such as 2026-01-31T12:00:00Z",
        "specversion": 'must be "1.0"',
        "Extension": "is not a member of an event",
        "extension": "must be a string, an integer or a boolean (an extension attribute)",
        "data.kind": "must be 'post', 'video', 'article' or 'short'",
        "data.title": "is required",
        "data.mentions[1]": "must be a user id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
        "data.mentions[2]": "must be a valid string",
        "data.colour": "is not a member of this event type",
    }


def test_the_reason_is_in_plain_words() -> None:
    data = {"to": "bob", "amount": 0, "note": "a\x00b", "content_id": "\ud800", "conversation_id": ""}
    assert errors({"type": "hours.tipped", "data": data}) == {
        "data.amount": "must be greater than 0",
        "data.note": "must not contain the NUL character (\\u0000)",
        "data.content_id": "must be valid Unicode (it contains half of a surrogate pair)",
        "data.conversation_id": "must not be empty",
    }
    assert errors(with_data(POST, mentions=["x"] * 101)) == {"data.mentions": "must have at most 100 items"}
    assert errors(with_data(POST, mentions="bob")) == {"data.mentions": "must be a list"}
    assert errors(with_data(POST, title="x" * 301)) == {"data.title": "must have at most 300 characters"}


@pytest.mark.parametrize("wire", [None, 5, "hours.tipped", [TIP], True])
def test_an_event_must_be_an_object(wire: object) -> None:
    assert errors(wire) == {"": "must be a JSON object"}


@pytest.mark.parametrize("data", [5, "x", [], [1], True])
def test_data_must_be_an_object(data: object) -> None:
    assert errors({**TIP, "data": data, "time": 0}).keys() == {"data", "time"}


def test_missing_data_names_what_is_required() -> None:
    assert errors({"type": "hours.tipped"}) == {"data.to": "is required", "data.amount": "is required"}


@pytest.mark.parametrize(
    "name", ["hours.stolen", "", "HOURS.TIPPED", "\ud800", "x" * 10_000, 5, [], {}, None]
)
def test_an_unknown_type_is_reported_beside_a_wrong_envelope(name: object) -> None:
    assert errors({"type": name, "data": {"anything": 1}, "id": "1"}).keys() == {"type", "id"}


@pytest.mark.parametrize("member", ["id", "time", "subject", "actor", "source", "type", "notification_id"])
def test_a_member_of_the_envelope_has_no_place_in_the_data(member: str) -> None:
    assert errors(with_data(TIP, **{member: None})).keys() == {f"data.{member}"}


def test_a_hostile_member_name_comes_back_harmless() -> None:
    wire = {**with_data(TIP, **{"\ud800": 1, "x" * 5_000: 1}), "a\x00b": 1}
    assert errors(wire).keys() == {"a\\x00b", "data.\\ud800", "data." + "x" * 100}


def test_the_number_of_reported_errors_is_bounded() -> None:
    with pytest.raises(InvalidEventError) as caught:
        read(with_data(TIP, **{f"m{n}": n for n in range(10_000)}))
    assert len(caught.value.errors) == MAX_ERRORS
    found = unknown_members(HoursTipped, {f"M{n}": n for n in range(50)}, {f"m{n}": n for n in range(10_000)})
    assert len(list(found)) == MAX_ERRORS


def test_an_event_may_have_a_hundred_members_and_no_more() -> None:
    spare = MAX_MEMBERS - len(TIP)
    assert read({**TIP, **{f"m{n}": n for n in range(spare)}})
    assert errors({**TIP, **{f"m{n}": n for n in range(spare + 1)}}) == {"": "must have at most 100 members"}


_STRINGS = st.text(st.characters(), max_size=10)  # halves of surrogate pairs, too
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | _STRINGS
_JSON = _SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(_STRINGS, _SCALARS, max_size=3)


@given(
    st.sampled_from(REGISTRY.types()),
    st.dictionaries(st.sampled_from(["id", "time", "subject", "actor", "source", "specversion"]), _JSON),
    st.data(),
)
def test_whatever_is_sent_becomes_an_event_or_a_list_of_errors(
    cls: type[Event], envelope: dict[str, Any], data: st.DataObject
) -> None:
    members = data.draw(st.dictionaries(st.sampled_from([*cls.data_members, "colour"]), _JSON))
    try:
        event = read({**envelope, "type": cls.name, "data": members})
    except InvalidEventError:
        return
    assert REGISTRY.decode(event.to_wire()) == event


def test_an_event_is_checked_when_it_is_made() -> None:
    with pytest.raises(ValidationError, match="amount"):
        HoursTipped(to="bob", amount=0)
    with pytest.raises(ValidationError, match="colour"):
        HoursTipped(to="bob", amount=1, colour="red")  # type: ignore[call-arg]


def test_an_event_cannot_be_changed() -> None:
    event = HoursTipped(to="bob", amount=1)
    with pytest.raises(ValidationError, match="frozen"):
        event.amount = 2  # type: ignore[misc]
    assert hash(event) == hash(REGISTRY.decode(event.to_wire()))


def test_two_classes_cannot_claim_one_type() -> None:
    class Impostor(Event):
        name: ClassVar = "content.liked"

    with pytest.raises(DuplicateEventTypeError, match=r"ContentLiked and Impostor are both content\.liked"):
        Registry([ContentLiked, Impostor])
    with pytest.raises(DuplicateEventTypeError):
        Registry([ContentLiked, ContentLiked])


def test_a_registry_finds_its_types_by_name_and_keeps_their_order() -> None:
    registry = Registry([HoursTipped, ContentLiked])
    assert list(registry.types()) == [HoursTipped, ContentLiked]
    assert registry.by_name("content.liked") is ContentLiked
    with pytest.raises(UnknownEventTypeError, match=r"content\.created"):
        registry.by_name("content.created")
