"""Why: the trace for operators, the history for oneself, deliveries and their redrive."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateways.gateway import Gateway
from tests.gateways.http.served import Caller
from tests.gateways.telling import MAIL, fail, like, reachable, tell, tip


@pytest.fixture
async def ann(nobody: Caller) -> Caller:
    caller = nobody.being("ann")
    await caller.get("/v1/me")
    return caller


async def trace(admin: Caller, event: UUID, query: str = "") -> Any:
    answered = await admin.get(f"/v1/events/{event}/trace{query}")
    assert answered.status == 200, answered.body
    return answered.json


def reasons(shown: Any) -> dict[str, tuple[str, str]]:
    return {one["channel"]: (one["action"], one["reason"]) for one in shown["decisions"]}


async def test_the_trace_shows_decisions_and_deliveries_with_addresses_masked(
    ann: Caller, admin: Caller, gateway: Gateway
) -> None:
    endpoint = await reachable(gateway)
    event = await tell(gateway, tip())
    key = await fail(gateway, f"550 no mailbox {MAIL}")
    shown = await trace(admin, event)
    [told] = shown["notifications"]
    assert (told["user"], shown["notifications_next"]) == ("ann", None)
    assert told["notification_id"] == (await ann.get("/v1/me/notifications")).json["items"][0]["id"]
    assert reasons(told) == {
        "in_app": ("send", "preferences"),
        "push": ("drop", "no_endpoint"),
        "sms": ("drop", "channel_off"),
        "email": ("send", "preferences"),
        "telegram": ("drop", "no_endpoint"),
    }
    [mail] = [one for one in told["decisions"] if one["channel"] == "email"]
    assert (mail["endpoint"], mail["address"], mail["until"]) == (str(endpoint), "a…@example.com", None)
    assert datetime.fromisoformat(mail["at"]).tzinfo is not None
    [delivery] = told["deliveries"]
    attempts = delivery.pop("attempts")
    assert delivery == {
        "id": str(key),
        "digest_id": None,
        "channel": "email",
        "endpoint": str(endpoint),
        "address": "a…@example.com",
        "status": "failed",
        "reason": "rejected",
    }
    assert [(one["outcome"], one["detail"]) for one in attempts] == [
        ("rejected", "550 no mailbox a…@example.com")
    ]
    assert MAIL not in str(shown)


async def test_the_trace_tells_of_those_who_got_nothing(ann: Caller, admin: Caller, gateway: Gateway) -> None:
    await ann.call("PATCH", "/v1/me/preferences", json={"muted": [{"user": "bob"}]})
    [told] = (await trace(admin, await tell(gateway, tip())))["notifications"]
    assert {action for action, _ in reasons(told).values()} == {"drop"}
    assert reasons(told)["in_app"] == ("drop", "muted")
    assert told["deliveries"] == []
    [own] = (await trace(admin, await tell(gateway, tip(actor="ann"))))["notifications"]
    assert {reason for _, reason in reasons(own).values()} == {"own_action"}


async def test_the_trace_of_many_comes_in_pages(nobody: Caller, admin: Caller, gateway: Gateway) -> None:
    people = [f"p{n}" for n in range(5)]
    for one in people:
        await nobody.being(one).get("/v1/me")
    event = await tell(gateway, tip(), *people)
    found, cursor = [], ""
    while True:
        shown = await trace(admin, event, f"?limit=2{cursor}")
        found += [one["user"] for one in shown["notifications"]]
        if shown["notifications_next"] is None:
            break
        cursor = f"&cursor={shown['notifications_next']}"
    assert found == people
    assert [one["user"] for one in (await trace(admin, event, "?user=p3"))["notifications"]] == ["p3"]
    assert (await trace(admin, event, "?user=eve"))["notifications"] == []


async def test_my_history_says_what_reached_me_what_did_not_and_why(ann: Caller, gateway: Gateway) -> None:
    endpoint = await reachable(gateway)
    event = await tell(gateway, tip())
    [item] = (await ann.get("/v1/me/history")).json["items"]
    assert (item["event_id"], item["topic"], item["actor"], item["reached"]) == (
        str(event),
        "tips",
        "bob",
        True,
    )
    assert "5.00" in item["title"]
    ways = {way["channel"]: (way["outcome"], way["reason"], way["status"]) for way in item["ways"]}
    assert ways == {
        "in_app": ("reached", "preferences", None),
        "push": ("not", "no_endpoint", None),
        "sms": ("not", "channel_off", None),
        "email": ("waiting", "preferences", "queued"),
        "telegram": ("not", "no_endpoint", None),
    }
    await fail(gateway, "550")
    [mail] = [
        way for way in (await ann.get("/v1/me/history")).json["items"][0]["ways"] if way["channel"] == "email"
    ]
    assert (mail["outcome"], mail["reason"], mail["status"]) == ("not", "rejected", "failed")
    assert (mail["endpoint"], mail["address"]) == (str(endpoint), "a…@example.com")


async def test_what_quiet_hours_hold_waits_until_its_time(ann: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    window = {"days": days, "from": "00:00", "to": "00:00"}
    quiet = {"enabled": True, "tz": "UTC", "windows": [window]}
    put = await ann.call("PATCH", "/v1/me/preferences", json={"quiet_hours": quiet})
    assert put.status == 200
    await tell(gateway, tip())
    [item] = (await ann.get("/v1/me/history")).json["items"]
    [mail] = [way for way in item["ways"] if way["channel"] == "email"]
    assert (mail["outcome"], mail["reason"], mail["status"]) == ("waiting", "quiet_hours", "held")
    assert datetime.fromisoformat(mail["until"]) > gateway.clock.now()


async def test_my_history_comes_in_pages_and_is_mine_alone(
    ann: Caller, nobody: Caller, gateway: Gateway
) -> None:
    events = [str(await tell(gateway, like(content=f"c{n}"))) for n in range(5)]
    found, cursor = [], ""
    while True:
        page = (await ann.get(f"/v1/me/history?limit=2{cursor}")).json
        found += [one["event_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == events[::-1]
    assert (await nobody.being("bob").get("/v1/me/history")).json == {"items": [], "next": None}
    for wrong in ("x", "1-", "-", "1-zz", f"{'9' * 30}-{uuid4().hex}", f"{10**17}9-{uuid4().hex}"):
        assert (await ann.get(f"/v1/me/history?cursor={wrong}")).paths == ["cursor"], wrong


async def test_deliveries_are_listed_filtered_and_paged(admin: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    await reachable(gateway, "eve", "eve@example.com")
    events = [str(await tell(gateway, tip(amount=n + 1))) for n in range(3)]
    await tell(gateway, tip(to="eve"), "eve")

    async def listed(query: str) -> list[str]:
        answered = await admin.get(f"/v1/deliveries?{query}")
        assert answered.status == 200, answered.body
        return [one["event_id"] for one in answered.json["items"]]

    assert len(await listed("")) == 4
    assert await listed("user=ann") == events[::-1]
    assert await listed(f"event={events[1]}") == [events[1]]
    assert await listed("status=queued&channel=email&topic=tips&user=ann") == events[::-1]
    assert await listed("status=failed") == await listed("channel=sms") == []
    first = (await admin.get("/v1/deliveries?user=ann&limit=2")).json
    assert await listed(f"user=ann&limit=2&cursor={first['next']}") == [events[0]]
    of_an_older_version = f"1772452800000000-{first['next']}"
    assert await listed(f"user=ann&limit=2&cursor={of_an_older_version}") == [events[0]]
    for wrong in ("x", "-", "1-zz", first["next"][1:]):
        assert (await admin.get(f"/v1/deliveries?cursor={wrong}")).paths == ["cursor"], wrong
    assert first["items"][0]["address"] == "a…@example.com"
    assert first["items"][0]["priority"] == "immediate"
    for query, path in (("status=lost", "status"), ("channel=in_app", "channel"), ("user=%20", "user")):
        assert (await admin.get(f"/v1/deliveries?{query}")).paths == [path]


async def test_only_admins_see_deliveries(ann: Caller, service: Caller, admin: Caller) -> None:
    for path in ("/v1/deliveries", f"/v1/deliveries/{uuid4()}"):
        assert {(await ann.get(path)).status, (await service.get(path)).status} == {403}
    assert (await ann.post(f"/v1/deliveries/{uuid4()}/redrive")).status == 403
    assert (await admin.get(f"/v1/deliveries/{uuid4()}")).status == 404


async def test_a_failed_delivery_is_redriven_once(admin: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    await tell(gateway, tip())
    key = await fail(gateway, "550")
    redriven = await admin.post(f"/v1/deliveries/{key}/redrive")
    assert (redriven.status, redriven.json["status"], redriven.json["reason"]) == (200, "queued", None)
    assert len(redriven.json["attempts"]) == 1
    assert (await admin.get(f"/v1/deliveries/{key}")).json == redriven.json
    again = await admin.post(f"/v1/deliveries/{key}/redrive")
    assert (again.status, "queued" in again.json["detail"]) == (409, True)
    assert (await admin.post(f"/v1/deliveries/{uuid4()}/redrive")).status == 404


async def test_my_history_is_in_my_language(ann: Caller, gateway: Gateway) -> None:
    await tell(gateway, tip(amount=123_450))
    await ann.call("PATCH", "/v1/me/preferences", json={"locale": "de"})
    [item] = (await ann.get("/v1/me/history")).json["items"]
    assert item["title"] == "bob hat dir 1.234,50 HRS Trinkgeld gegeben"


async def test_an_event_that_cannot_be_told_has_no_title_in_the_history(
    ann: Caller, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(gateway, tip())

    def said(*_: Any) -> None:
        raise OverflowError

    monkeypatch.setattr("gateways.http.history.said", said)
    answered = await ann.get("/v1/me/history")
    assert answered.status == 200, answered.body
    assert [one["title"] for one in answered.json["items"]] == [None]
