"""`/notifications`: the inbox over sockets, and what all of a person's devices hear of it."""

import json
from typing import Any
from uuid import uuid4

import pytest

from gateways.gateway import Gateway
from tests.gateways.sockets.conftest import Served, token_of
from tests.gateways.sockets.house import Door, House
from tests.gateways.sockets.raw import RawSocket
from tests.gateways.telling import like, reachable, tell, tip
from tests.jsclient import JsClient

SPACE = "/notifications"


@pytest.fixture
async def ann(hub: Served) -> RawSocket:
    return await hub.signed_in(SPACE)


async def listed(raw: RawSocket, **wanted: Any) -> Any:
    answer = await raw.ask(SPACE, "list", wanted)
    assert answer["ok"], answer
    return answer


async def ids(raw: RawSocket, **wanted: Any) -> list[str]:
    return [one["id"] for one in (await listed(raw, **wanted))["items"]]


async def test_the_inbox_is_listed_in_pages(ann: RawSocket, gateway: Gateway) -> None:
    events = [str(await tell(gateway, tip(amount=n + 1))) for n in range(3)]
    first = await listed(ann, limit=2)
    rest = await listed(ann, limit=2, cursor=first["next"])
    assert [one["event_ids"] for one in first["items"] + rest["items"]] == [[event] for event in events[::-1]]
    assert rest["next"] is None
    assert first["items"][0].keys() == {
        "id", "topic", "priority", "title", "text", "url", "actors", "count", "event_ids",
        "created_at", "updated_at", "state",
    }  # fmt: skip


async def test_notifications_are_read_and_put_away(ann: RawSocket, gateway: Gateway) -> None:
    for _ in range(3):
        await tell(gateway, tip())
    one, two, three = await ids(ann)
    assert await ann.ask(SPACE, "counts") == {"ok": True, "unread": 3}
    read = await ann.ask(SPACE, "read", {"ids": [two, one, two, str(uuid4())]})
    assert [(shown["id"], shown["state"]) for shown in read["items"]] == [(two, "read"), (one, "read")]
    assert (read["ok"], read["unread"]) == (True, 1)
    assert await ids(ann, state="unread") == [three]
    archived = await ann.ask(SPACE, "archive", {"ids": [one]})
    assert (archived["items"][0]["state"], archived["unread"]) == ("archived", 1)
    assert (await ids(ann), await ids(ann, state="archived")) == ([two, three], [one])
    assert await ann.ask(SPACE, "read_all") == {"ok": True, "read": 1, "unread": 0}
    assert await ann.ask(SPACE, "read_all", {}) == {"ok": True, "read": 0, "unread": 0}


async def test_nobody_reads_what_is_another_s(hub: Served, ann: RawSocket, gateway: Gateway) -> None:
    await tell(gateway, tip())
    [key] = await ids(ann)
    bob = await hub.signed_in(SPACE, "bob")
    assert await ids(bob) == []
    for name in ("read", "archive"):
        answer = await bob.ask(SPACE, name, {"ids": [key]})
        assert answer["error"] | {"code": "not_found", "path": "ids"} == answer["error"]
    assert await ann.ask(SPACE, "counts") == {"ok": True, "unread": 1}


@pytest.mark.parametrize(
    ("name", "payload", "path"),
    [
        ("list", {"state": "read"}, "state"),
        ("list", {"limit": 0}, "limit"),
        ("list", {"limit": 201}, "limit"),
        ("list", {"limit": "5"}, "limit"),
        ("list", {"cursor": "x"}, "cursor"),
        ("list", {"cursor": "A" * 201}, "cursor"),
        ("list", {"colour": 1}, "colour"),
        ("read", {}, "ids"),
        ("read", {"ids": []}, "ids"),
        ("read", {"ids": ["x"]}, "ids[0]"),
        ("read", {"ids": "x"}, "ids"),
        ("archive", {"ids": [str(uuid4())] * 101}, "ids"),
        ("read_all", {"ids": []}, "ids"),
        ("counts", {"user": "bob"}, "user"),
    ],
)
async def test_a_wrong_payload_is_refused_naming_the_member(
    ann: RawSocket, name: str, payload: Any, path: str
) -> None:
    answer = await ann.ask(SPACE, name, payload)
    assert (answer["ok"], answer["error"]["code"], answer["error"]["path"]) == (False, "invalid", path)


@pytest.mark.parametrize(
    ("given", "said"), [(0, "must have at least 1 item"), (101, "must have at most 100 items")]
)
async def test_too_few_or_too_many_ids_are_refused_in_plain_words(
    ann: RawSocket, given: int, said: str
) -> None:
    for name in ("read", "archive"):
        answer = await ann.ask(SPACE, name, {"ids": [str(uuid4())] * given})
        error = answer["error"]
        assert (error["code"], error["path"], error["message"]) == ("invalid", "ids", said)


async def heard(raw: RawSocket, wanted: str) -> list[tuple[str, Any]]:
    """All events until one of this name, that one included; acknowledgements are skipped."""
    found: list[tuple[str, Any]] = []
    while not found or found[-1][0] != wanted:
        packet = await raw.next()
        if packet.startswith(f"42{SPACE},"):
            name, argument, *_ = json.loads(packet.removeprefix(f"42{SPACE},"))
            found.append((name, argument))
    return found


async def device(door: Door, hub: Served) -> RawSocket:
    raw = await RawSocket.open(hub.session, door.url)
    hub.raws.append(raw)
    await raw.connect(SPACE, token_of("ann"))
    return raw


async def test_all_devices_hear_what_is_new_what_was_read_and_the_count(
    house: House, east: Door, west: Door, hub: Served, gateway: Gateway
) -> None:
    phone, laptop = await device(east, hub), await device(west, hub)
    await tell(gateway, tip())
    gateway.outbox.wake()
    for one in (phone, laptop):
        [(_, created)] = [
            found
            for found in await heard(one, "notification.created")
            if found[0].startswith("notification.")
        ]
        assert (created["data"]["topic"], created["data"]["state"]) == ("tips", "unread")
        assert created["subject"] == f"notification:{created['data']['id']}"
    await phone.send(f"42{SPACE},1{json.dumps(['read', {'ids': [created['data']['id']]}])}")
    for one in (phone, laptop):
        *_, (_, updated), (_, counts) = await heard(one, "notifications.counts")
        assert updated["data"] == created["data"] | {
            "state": "read",
            "updated_at": updated["data"]["updated_at"],
        }
        assert counts == {"unread": 0}


async def test_the_stock_client_lists_and_reads(hub: Served, js: JsClient, gateway: Gateway) -> None:
    await reachable(gateway)
    for actor in ("bob", "eve"):
        await tell(gateway, like(actor=actor))
    socket = await js.connect(hub.url, SPACE, token_of("ann"))
    [shown] = (await socket.emit("list", {"state": "unread"}))["items"]
    assert (shown["count"], shown["actors"]) == (2, ["eve", "bob"])
    assert (await socket.emit("read", {"ids": [shown["id"]]}))["unread"] == 0
