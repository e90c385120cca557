"""`/feed` as the stock client sees it."""

from typing import Any

import pytest

from tests.gateways.sockets.conftest import Serve, Served, token_of
from tests.jsclient import JsClient, JsSocket


@pytest.fixture
async def feed(hub: Served, js: JsClient) -> JsSocket:
    return await js.connect(hub.url, "/feed", token_of("ann"))


async def test_everyone_hears_the_feed(hub: Served, feed: JsSocket) -> None:
    hub.deliver("/feed", "feed", data=1)
    happened = await feed.next("event")
    assert (happened["name"], happened["args"]) == ("test.happened", [{"data": 1}])


async def test_subscribing_answers_all_rooms_of_the_socket(feed: JsSocket) -> None:
    answer = await feed.emit("subscribe", {"zones": ["b", "a"], "content": ["c1"], "proposals": ["p1"]})
    assert answer == {"ok": True, "rooms": ["content:c1", "feed", "proposal:p1", "zone:a", "zone:b"]}
    assert await feed.emit("subscribe", {}) == answer


async def test_a_second_subscribe_changes_nothing(feed: JsSocket) -> None:
    first = await feed.emit("subscribe", {"zones": ["a"]})
    assert await feed.emit("subscribe", {"zones": ["a", "a"]}) == first


async def test_a_subscribed_zone_is_heard_and_another_is_not(hub: Served, feed: JsSocket) -> None:
    await feed.emit("subscribe", {"zones": ["a"]})
    hub.deliver("/feed", "zone:b", data=1)
    hub.deliver("/feed", "zone:a", data=2)
    assert (await feed.next("event"))["args"] == [{"data": 2}]


async def test_a_socket_in_several_rooms_of_an_event_gets_it_once(hub: Served, feed: JsSocket) -> None:
    await feed.emit("subscribe", {"zones": ["a"], "content": ["c1"]})
    hub.deliver("/feed", "feed", "zone:a", "content:c1", data=1)
    hub.deliver("/feed", "feed", data=2)
    await feed.next("event")
    await feed.next("event")
    assert [args for _, args in feed.events] == [[{"data": 1}], [{"data": 2}]]


async def test_after_unsubscribing_nothing_is_heard_any_more(hub: Served, feed: JsSocket) -> None:
    await feed.emit("subscribe", {"zones": ["a", "b"]})
    answer = await feed.emit("unsubscribe", {"zones": ["a", "never joined"]})
    assert answer == {"ok": True, "rooms": ["feed", "zone:b"]}
    hub.deliver("/feed", "zone:a", data=1)
    hub.deliver("/feed", "zone:b", data=2)
    assert (await feed.next("event"))["args"] == [{"data": 2}]


async def test_events_without_an_acknowledgement_are_handled_all_the_same(feed: JsSocket) -> None:
    await feed.emit_only("subscribe", {"zones": ["a"]})
    assert await feed.emit("subscribe", {}) == {"ok": True, "rooms": ["feed", "zone:a"]}


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"zone": ["a"]}, "zone"),
        ({"zones": "a"}, "zones"),
        ({"zones": [1]}, "zones[0]"),
        ({"zones": [""]}, "zones[0]"),
        ({"zones": ["x" * 201]}, "zones[0]"),
        ({"zones": ["fine", "a\x00b"]}, "zones[1]"),
        ({"zones": None}, "zones"),
        ({"zones": [str(n) for n in range(60)], "proposals": [str(n) for n in range(41)]}, "proposals"),
        ({"zones": [1] * 300_000}, "zones"),
        ({"zones": [], "content": {"a": [[1] * 600, [1] * 600]}}, "content"),
        ({"content": [[[]]] * 501}, "content"),
        ({"\x00": [1] * 1001}, "\\x00"),
        ({f"m{n}": [] for n in range(51)}, None),
        ([1] * 100_000, None),
        ("zones", None),
        (None, None),
    ],
)
async def test_a_wrong_payload_is_refused_naming_the_member(
    hub: Served, payload: Any, path: str | None
) -> None:
    raw = await hub.signed_in()
    answer = await raw.ask("/feed", "subscribe", payload)
    assert answer["ok"] is False
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["message"]
    assert answer["error"].get("path") == path
    assert await raw.ask("/feed", "subscribe", {}) == {"ok": True, "rooms": ["feed"]}


async def test_more_than_one_argument_is_refused(feed: JsSocket) -> None:
    answer = await feed.emit("subscribe", {"zones": ["a"]}, "more")
    assert answer["error"]["code"] == "invalid"


async def test_no_argument_is_an_empty_subscription(feed: JsSocket) -> None:
    assert await feed.emit("subscribe") == {"ok": True, "rooms": ["feed"]}


async def test_a_connection_has_a_limited_number_of_rooms(serve: Serve, js: JsClient) -> None:
    hub = await serve(socket_rooms=3)
    feed = await js.connect(hub.url, "/feed", token_of("ann"))
    await feed.emit("subscribe", {"zones": ["a"]})
    answer = await feed.emit("subscribe", {"zones": ["a"], "content": ["c1", "c2"]})
    assert (answer["error"]["code"], answer["error"]["path"]) == ("invalid", "content")
    assert await feed.emit("subscribe", {"content": ["c1"]}) == {
        "ok": True,
        "rooms": ["content:c1", "feed", "zone:a"],
    }


async def test_the_names_of_all_rooms_together_are_limited_in_bytes(serve: Serve, js: JsClient) -> None:
    hub = await serve(socket_room_bytes=40)
    feed = await js.connect(hub.url, "/feed", token_of("ann"))
    await feed.emit("subscribe", {"zones": ["a"]})  # with `feed`, ten bytes
    answer = await feed.emit("subscribe", {"zones": ["b"], "content": ["é" * 9]})
    assert (answer["error"]["code"], answer["error"]["path"]) == ("invalid", "content")
    assert "at most 40 bytes (socket_room_bytes)" in answer["error"]["message"]
    assert (await feed.emit("subscribe", {}))["rooms"] == ["feed", "zone:a"], "nothing is half joined"
    assert (await feed.emit("subscribe", {"content": ["é" * 11]}))["ok"] is True


async def test_rooms_are_left_with_the_connection(hub: Served, feed: JsSocket) -> None:
    await feed.emit("subscribe", {"zones": ["a"]})
    await feed.disconnect()
    await feed.next("disconnect")
    await feed.again()
    await feed.next("connect")
    assert await feed.emit("subscribe", {}) == {"ok": True, "rooms": ["feed"]}
