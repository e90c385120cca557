"""The inbox over HTTP: listed, counted, read, put away; told to all devices in the same transaction."""

from typing import Any
from uuid import uuid4

import pytest

from gateways.gateway import Gateway
from tests.gateways.http.served import Caller
from tests.gateways.telling import like, reachable, tell, tip

PATH = "/v1/me/notifications"
STATES = ("unread", "inbox", "archived", "all")


@pytest.fixture
async def ann(nobody: Caller) -> Caller:
    caller = nobody.being("ann")
    await caller.get("/v1/me")
    return caller


async def page(caller: Caller, query: str = "") -> Any:
    answered = await caller.get(f"{PATH}?{query}")
    assert answered.status == 200, answered.body
    return answered.json


async def unread(caller: Caller) -> int:
    return int((await caller.get(f"{PATH}/counts")).json["unread"])


async def test_a_notification_is_shown_whole(ann: Caller, gateway: Gateway) -> None:
    event = await tell(gateway, tip(amount=500))
    [shown] = (await page(ann))["items"]
    assert shown.keys() == {
        "id", "topic", "priority", "title", "text", "url", "actors", "count", "event_ids",
        "created_at", "updated_at", "state",
    }  # fmt: skip
    assert (shown["topic"], shown["priority"], shown["state"]) == ("tips", "immediate", "unread")
    assert (shown["actors"], shown["count"], shown["event_ids"]) == (["bob"], 1, [str(event)])
    assert "5.00" in shown["title"]


async def test_the_inbox_is_listed_in_pages_the_last_changed_first(ann: Caller, gateway: Gateway) -> None:
    events = [str(await tell(gateway, tip(amount=n + 1))) for n in range(5)]
    found, cursor = [], ""
    while True:
        one = await page(ann, f"limit=2{cursor}")
        found += [event for item in one["items"] for event in item["event_ids"]]
        if one["next"] is None:
            break
        cursor = f"&cursor={one['next']}"
    assert found == events[::-1]


async def test_likes_of_one_post_are_one_notification_that_grows(ann: Caller, gateway: Gateway) -> None:
    for actor in ("bob", "eve", "dan"):
        await tell(gateway, like(actor=actor))
    [shown] = (await page(ann))["items"]
    assert (shown["count"], shown["actors"]) == (3, ["dan", "eve", "bob"])
    assert await unread(ann) == 1


async def test_reading_and_archiving_move_it_between_the_lists(ann: Caller, gateway: Gateway) -> None:
    await tell(gateway, tip())
    key = (await page(ann))["items"][0]["id"]

    async def lists() -> list[int]:
        return [len((await page(ann, f"state={state}"))["items"]) for state in STATES]

    assert (await lists(), await unread(ann)) == ([1, 1, 0, 1], 1)
    assert (await ann.post(f"{PATH}/{key}/read")).json["state"] == "read"
    assert (await lists(), await unread(ann)) == ([0, 1, 0, 1], 0)
    assert (await ann.post(f"{PATH}/{key}/unread")).json["state"] == "unread"
    assert (await lists(), await unread(ann)) == ([1, 1, 0, 1], 1)
    for _ in range(2):
        archived = await ann.post(f"{PATH}/{key}/archive")
        assert (archived.status, archived.json["state"]) == (200, "archived")
    assert (await lists(), await unread(ann)) == ([0, 0, 1, 1], 0)
    assert (await page(ann))["items"] == []


async def test_all_are_read_at_once(ann: Caller, gateway: Gateway) -> None:
    for _ in range(3):
        await tell(gateway, tip())
    assert (await ann.post(f"{PATH}/read-all")).json == {"read": 3, "unread": 0}
    assert (await ann.post(f"{PATH}/read-all")).json == {"read": 0, "unread": 0}


async def test_a_read_withdraws_what_still_waits(ann: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    event = await tell(gateway, tip())
    [shown] = (await page(ann))["items"]
    await ann.post(f"{PATH}/{shown['id']}/read")
    [delivery] = await gateway.notifying.deliveries.of_event(gateway.pool, event)
    assert (delivery.status, delivery.reason) == ("dropped", "read_already")


async def test_nobody_reads_what_is_another_s(ann: Caller, nobody: Caller, gateway: Gateway) -> None:
    await tell(gateway, tip())
    key = (await page(ann))["items"][0]["id"]
    bob = nobody.being("bob")
    assert (await page(bob, "state=all"))["items"] == []
    for name in ("read", "unread", "archive"):
        assert (await bob.post(f"{PATH}/{key}/{name}")).status == 404
        assert (await ann.post(f"{PATH}/{uuid4()}/{name}")).status == 404
        assert (await ann.post(f"{PATH}/7/{name}")).paths == ["id"]
    assert await unread(ann) == 1
    assert (await nobody.get(PATH)).status == 401


async def test_a_wrong_query_is_422_with_its_path(ann: Caller) -> None:
    for query, path in (
        ("state=read", "state"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=" + "A" * 201, "cursor"),
        ("colour=red", "colour"),
    ):
        answered = await ann.get(f"{PATH}?{query}")
        assert (answered.status, answered.paths) == (422, [path]), query
