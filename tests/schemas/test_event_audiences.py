"""Who sees each type of event live: the table of the public contract."""

from typing import Any, Final

import pytest

from schemas.events.base import Audience
from schemas.events.registry import REGISTRY

POST: Final = {"content_id": "c1", "author": "alice"}
STREAM: Final = {"stream_id": "s1", "host": "alice"}
MESSAGE: Final = {"conversation_id": "v1", "message_id": "m1", "seq": 1, "sender": "alice"}
RECEIPT: Final = {"conversation_id": "v1", "reader": "bob", "up_to_seq": 1}
TIP: Final = {"to": "bob", "amount": 500, "note": "psst"}
MONEY: Final = {"amount_cents": 1999, "currency": "EUR"}
NOTIFICATION: Final = {
    "user": "bob",
    "id": "01980000-0000-7000-8000-000000000001",
    "topic": "tips",
    "priority": "immediate",
    "title": "A tip",
    "count": 1,
    "created_at": "2026-01-31T12:00:00Z",
    "updated_at": "2026-01-31T12:00:00Z",
    "state": "unread",
}

TABLE: Final[list[tuple[str, dict[str, Any], list[str]]]] = [
    ("content.created", {**POST, "kind": "post", "title": "t"}, ["/feed feed"]),
    (
        "content.created",
        {**POST, "kind": "post", "title": "t", "zone": "z1"},
        ["/feed feed", "/feed zone:z1"],
    ),
    ("content.liked", POST, ["/feed content:c1"]),
    ("content.unliked", POST, ["/feed content:c1"]),
    ("content.commented", {**POST, "text": "t"}, ["/feed content:c1"]),
    ("content.shared", POST, ["/feed content:c1"]),
    ("content.saved", POST, []),
    ("content.viewed", POST, []),
    ("content.deleted", POST, ["/feed content:c1"]),
    ("hours.tipped", TIP, ["/notifications user:bob"]),
    ("hours.tipped", {**TIP, "content_id": "c1"}, ["/notifications user:bob", "/feed content:c1 -note"]),
    ("hours.tipped", {**TIP, "conversation_id": "v1"}, ["/notifications user:bob"]),
    ("hours.tipped", {**TIP, "content_id": "c1", "conversation_id": "v1"}, ["/notifications user:bob"]),
    ("hours.earned", {"user": "bob", "amount": 1}, ["/notifications user:bob"]),
    ("hours.spent", {"user": "bob", "amount": 1}, ["/notifications user:bob"]),
    ("user.registered", {"user": "bob"}, []),
    ("user.followed", {"target": "bob"}, ["/notifications user:bob"]),
    ("user.unfollowed", {"target": "bob"}, []),
    ("user.subscribed", {"target": "bob"}, ["/notifications user:bob"]),
    ("user.unsubscribed", {"target": "bob"}, []),
    ("zone.joined", {"zone": "z1", "user": "bob"}, []),
    ("zone.left", {"zone": "z1", "user": "bob"}, []),
    ("live.started", STREAM, ["/live live:s1", "/feed feed"]),
    ("live.ended", STREAM, ["/live live:s1", "/feed feed"]),
    ("live.viewer_joined", {"stream_id": "s1", "viewer": "bob"}, ["/live live:s1"]),
    ("message.sent", MESSAGE, ["/messages conversation:v1"]),
    ("message.edited", MESSAGE, ["/messages conversation:v1"]),
    ("message.deleted", MESSAGE, ["/messages conversation:v1"]),
    ("message.reacted", MESSAGE, ["/messages conversation:v1"]),
    ("message.delivered", RECEIPT, ["/messages conversation:v1"]),
    ("message.read", RECEIPT, ["/messages conversation:v1"]),
    (
        "conversation.created",
        {"conversation_id": "v1", "members": ["bob", "alice"]},
        ["/messages conversation:v1", "/messages user:alice", "/messages user:bob"],
    ),
    ("conversation.updated", {"conversation_id": "v1", "title": "t"}, ["/messages conversation:v1"]),
    (
        "conversation.member_added",
        {"conversation_id": "v1", "user": "bob"},
        ["/messages conversation:v1", "/messages user:bob"],
    ),
    (
        "conversation.member_removed",
        {"conversation_id": "v1", "user": "bob"},
        ["/messages conversation:v1", "/messages user:bob"],
    ),
    (
        "storefront.purchased",
        {**MONEY, "order_id": "o1", "seller": "bob", "buyer": "carol"},
        ["/notifications user:bob"],
    ),
    (
        "storefront.membership_new",
        {**MONEY, "creator": "bob", "member": "carol", "tier": "gold"},
        ["/notifications user:bob"],
    ),
    ("governance.proposal_created", {"proposal_id": "p1", "title": "t"}, []),
    ("governance.proposal_created", {"proposal_id": "p1", "title": "t", "zone": "z1"}, ["/feed zone:z1"]),
    ("governance.vote_cast", {"proposal_id": "p1", "choice": "yes"}, ["/feed proposal:p1"]),
    ("system.announced", {"title": "t", "text": "t"}, ["/notifications everyone"]),
    ("milestone.reached", {"user": "bob", "kind": "likes", "value": 100}, ["/notifications user:bob"]),
    ("notification.created", NOTIFICATION, ["/notifications user:bob -user"]),
    ("notification.updated", NOTIFICATION, ["/notifications user:bob -user"]),
]


def shown(audience: Audience) -> str:
    return " ".join([audience.namespace, audience.room, *(f"-{member}" for member in sorted(audience.hide))])


@pytest.mark.parametrize(("name", "data", "audiences"), TABLE)
def test_an_event_is_seen_by_its_audiences(name: str, data: dict[str, Any], audiences: list[str]) -> None:
    event = REGISTRY.parse({"type": name, "data": data}, source_default="svc")
    assert [shown(audience) for audience in event.audience()] == audiences


def test_the_table_has_every_type() -> None:
    assert {name for name, _, _ in TABLE} == {cls.name for cls in REGISTRY.types()}


def test_only_notifications_are_pushed_without_being_logged() -> None:
    push_only = {cls.name for cls in REGISTRY.types() if cls.push_only}
    assert push_only == {"notification.created", "notification.updated"}
