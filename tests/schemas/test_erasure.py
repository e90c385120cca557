"""What is left of an erased person's events: still events of their type, without the person."""

import json

from hypothesis import given

from schemas.events.base import Event
from schemas.events.registry import REGISTRY
from schemas.store.erasure import without
from tests.strategies import events

STANDS_FOR = "erased:0123456789abcdef"


@given(events())
def test_an_event_stays_readable_and_no_longer_names_the_person(event: Event) -> None:
    for user in event.users():
        wire = json.loads(json.dumps(event.to_wire()))
        wire |= {"data": without(wire["data"], user, STANDS_FOR, own=True), "actor": STANDS_FOR}
        left = REGISTRY.decode(wire)
        assert user not in left.users() - {STANDS_FOR}
        assert not {"note", "url", "envelope"} & wire["data"].keys()
