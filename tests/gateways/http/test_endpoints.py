"""Endpoints over HTTP: added, limited, removed, and whose they are."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from bus.tasks import spawn
from gateways.gateway import Gateway
from routing.consent import Scope
from schemas.store.verifications import Verifications
from tests.gateways.http.served import Answered, Caller
from tests.gateways.telling import MAIL, reachable
from tests.routing.gathered import gather, waiting
from tests.waiting import until

PATH = "/v1/me/endpoints"
BROWSER = "https://push.example.com/send/gAAAA"
"""What a browser itself gives for push."""


@pytest.fixture
def ann(nobody: Caller) -> Caller:
    return nobody.being("ann")


async def add(caller: Caller, channel: str, address: str, **members: Any) -> Answered:
    kind = {"kind": "token"} if channel == "push" else {}
    return await caller.post(PATH, json={"channel": channel, "address": address, **kind, **members})


async def items(caller: Caller) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await caller.get(PATH)).json["items"]
    return found


async def test_a_push_endpoint_is_active_at_once(ann: Caller) -> None:
    added = await add(ann, "push", "t" * 40, platform="android", name="My phone")
    assert added.status == 201
    shown = {
        "channel": "push",
        "address": "t" * 40,
        "kind": "token",
        "platform": "android",
        "name": "My phone",
    }
    assert added.json | shown | {"state": "active", "unsubscribed": []} == added.json
    assert await items(ann) == [added.json]


async def test_a_push_endpoint_of_no_named_kind_is_a_token(ann: Caller) -> None:
    added = await ann.post(PATH, json={"channel": "push", "address": "t" * 40})
    assert (added.status, added.json["kind"]) == (201, "token")
    assert (await add(ann, "push", "w" * 40, kind="webpush")).json["kind"] == "webpush"


async def test_a_number_and_a_mail_address_are_pending(ann: Caller) -> None:
    assert (await add(ann, "sms", "+15550001111")).json["state"] == "pending"
    assert (await add(ann, "email", MAIL)).json["state"] == "pending"
    assert [one["verified_at"] for one in await items(ann)] == [None, None]


async def test_the_same_address_keeps_its_id(ann: Caller) -> None:
    first = (await add(ann, "push", "token")).json
    again = (await add(ann, "push", "token", name="Renamed")).json
    assert (again["id"], again["name"]) == (first["id"], "Renamed")
    await ann.call("DELETE", f"{PATH}/{first['id']}")
    back = (await add(ann, "push", "token")).json
    assert (back["id"], back["state"]) == (first["id"], "active")


async def test_pages_of_endpoints_follow_each_other_to_the_end(ann: Caller) -> None:
    made = [(await add(ann, "push", f"token-{n}")).json["id"] for n in range(5)]
    found, cursor = [], ""
    while True:
        page = (await ann.get(f"{PATH}?limit=2{cursor}")).json
        assert len(page["items"]) <= 2
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert found == made
    assert (await ann.get(PATH)).json["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=zz", "page=2"])
async def test_a_page_of_endpoints_that_makes_no_sense_is_refused_by_name(ann: Caller, query: str) -> None:
    refused = await ann.get(f"{PATH}?{query}")
    assert refused.status == 422
    assert [one["path"] for one in refused.json["errors"]] == [query.partition("=")[0]]


async def test_a_removed_endpoint_is_not_shown_any_more(ann: Caller, nobody: Caller) -> None:
    made = (await add(ann, "push", "token")).json["id"]
    assert (await nobody.being("bob").call("DELETE", f"{PATH}/{made}")).status == 404
    removed = await ann.call("DELETE", f"{PATH}/{made}")
    assert (removed.status, removed.body) == (204, b"")
    assert await items(ann) == []
    assert (await ann.call("DELETE", f"{PATH}/{made}")).status == 404
    assert (await ann.call("DELETE", f"{PATH}/{uuid4()}")).status == 404
    assert (await ann.call("DELETE", f"{PATH}/7")).status == 422


async def test_a_device_belongs_to_who_signed_in_last(ann: Caller, nobody: Caller) -> None:
    await add(ann, "push", "token")
    assert (await add(nobody.being("bob"), "push", "token")).json["state"] == "active"
    assert [(one["state"], one["retired_reason"]) for one in await items(ann)] == [("retired", "moved")]


async def test_a_device_that_two_bring_at_once_has_one_owner(
    ann: Caller, nobody: Caller, gateway: Gateway
) -> None:
    async with gateway.pool.acquire() as tx, tx.transaction():
        await Verifications().lock_address(tx, "push", "token")
        both = [spawn(add(one, "push", "token"), name="add") for one in (ann, nobody.being("bob"))]
        waiting = "SELECT count(*) = 2 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        await until(lambda: gateway.pool.fetchval(waiting))
    for one in both:
        assert (await one).status == 201
    states = await gateway.pool.fetch("SELECT state FROM endpoints ORDER BY state")
    assert [row["state"] for row in states] == ["active", "retired"]


async def test_what_is_not_used_any_more_may_be_taken_off_the_list(ann: Caller, nobody: Caller) -> None:
    made = (await add(ann, "push", "token")).json["id"]
    bob = nobody.being("bob")
    await add(bob, "push", "token")
    assert (await bob.call("DELETE", f"{PATH}/{made}")).status == 404
    assert (await ann.call("DELETE", f"{PATH}/{made}")).status == 204
    assert await items(ann) == []
    assert (await ann.call("DELETE", f"{PATH}/{made}")).status == 404


async def test_there_are_only_so_many_of_a_channel(ann: Caller) -> None:
    for n in range(5):
        assert (await add(ann, "sms", f"+1555000111{n}")).status == 201
    refused = await add(ann, "sms", "+15550001119")
    assert refused.status == 409
    assert "remove one" in refused.json["detail"]
    assert (await add(ann, "sms", "+15550001110")).status == 201
    assert (await add(ann, "email", MAIL)).status == 201


async def test_what_does_not_fit_its_channel_is_422_and_named(ann: Caller) -> None:
    for body, path in (
        ({"channel": "push", "address": "t", "kind": "pager"}, "kind"),
        ({"channel": "sms", "address": "0151"}, "address"),
        ({"channel": "sms", "address": "+15550001111", "kind": "token"}, "kind"),
        ({"channel": "email", "address": "ann"}, "address"),
        ({"channel": "email", "address": 5}, "address"),
        ({"channel": "email", "address": f"{'x' * 300}@example.com"}, "address"),
        ({"channel": "push", "address": "a\x00b", "kind": "token"}, "address"),
        ({"channel": "push", "address": "x" * 5000, "kind": "token"}, "address"),
        ({"channel": "push", "address": f'{{"endpoint":"{BROWSER}"}}', "kind": "webpush"}, "address"),
        ({"channel": "push", "address": BROWSER, "kind": "webpush"}, "address"),
        ({"channel": "push", "address": BROWSER}, "address"),
        ({"channel": "telegram", "address": "4242"}, "channel"),
        ({"channel": "fax", "address": "1"}, "channel"),
        ({"address": "1"}, "channel"),
        ({"channel": "email", "address": MAIL, "state": "active"}, "state"),
        ({"channel": "email", "address": MAIL, "name": "a\nb"}, "name"),
    ):
        answered = await ann.post(PATH, json=body)
        assert (answered.status, answered.paths[0]) == (422, path), body
    assert await items(ann) == []


async def test_what_the_platform_told_is_among_them(ann: Caller, nobody: Caller) -> None:
    profile = {"email": MAIL, "phone": "+15550001111"}
    await nobody.being("shop", "publish").call("PUT", "/v1/users/ann", json=profile)
    found = {(one["channel"], one["address"], one["state"]) for one in await items(ann)}
    assert found == {("email", MAIL, "active"), ("sms", "+15550001111", "active")}


async def test_what_the_person_removed_only_the_person_brings_back(ann: Caller, nobody: Caller) -> None:
    async def told(address: str) -> None:
        profile = {"email": address, "phone": "+15550001111"}
        await nobody.being("shop", "publish").call("PUT", "/v1/users/ann", json=profile)

    async def mails() -> list[str]:
        return [one["address"] for one in await items(ann) if one["channel"] == "email"]

    await told(MAIL)
    [first] = [one["id"] for one in await items(ann) if one["channel"] == "email"]
    await ann.call("DELETE", f"{PATH}/{first}")
    for address in (MAIL, "other@example.com", MAIL):
        await told(address)
    assert await mails() == []
    for channel, address in (("email", MAIL.upper()), ("sms", "+15550001111")):
        back = (await add(ann, channel, address)).json
        assert (back["state"], back["address"]) == ("active", address.lower())
    assert await mails() == [MAIL]
    assert [one["id"] for one in await items(ann) if one["channel"] == "email"] == [first]
    await told("other@example.com")
    assert await mails() == ["other@example.com"]


async def test_an_address_of_another_s_profile_is_pending(ann: Caller, nobody: Caller) -> None:
    await nobody.being("shop", "publish").call("PUT", "/v1/users/bob", json={"email": MAIL})
    assert (await add(ann, "email", MAIL)).json["state"] == "pending"


async def test_an_address_is_the_same_however_it_is_spelled(ann: Caller, gateway: Gateway) -> None:
    await reachable(gateway)
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.stop(tx, Scope("email", MAIL.title(), "likes"), source="link")
    assert [one["unsubscribed"] for one in await items(ann)] == [["likes"]]
    assert (await add(ann, "email", MAIL.upper())).json["unsubscribed"] == []
    assert len(await items(ann)) == 1


async def test_what_was_unsubscribed_is_shown_and_bringing_it_again_is_consent(
    ann: Caller, gateway: Gateway
) -> None:
    await reachable(gateway)
    notifying = gateway.notifying
    async with gateway.pool.acquire() as tx, tx.transaction():
        await notifying.consents.stop(tx, Scope("email", MAIL, "likes"), source="link")
        await notifying.consents.stop(tx, Scope("email", MAIL), source="link")
    assert [one["unsubscribed"] for one in await items(ann)] == [["all", "likes"]]
    assert (await add(ann, "email", MAIL)).json["unsubscribed"] == []
    entries = await notifying.ledger.of_address(gateway.pool, "email", MAIL)
    assert {(one.source, one.user_id) for one in entries if one.allowed} == {("settings", "ann")}


async def gathered(gateway: Gateway, endpoint: UUID) -> None:
    """Something of ann's digest waits at a mail address."""
    now = gateway.clock.now()
    await gather(gateway.pool, now, [waiting("ann", "email", endpoint, now + timedelta(days=1))])


async def place(gateway: Gateway) -> UUID:
    """Where ann's open digest is to leave."""
    found: UUID = await gateway.pool.fetchval("SELECT endpoint_id FROM digests WHERE state = 'open'")
    return found


async def test_what_is_gathered_at_a_removed_address_leaves_by_another(ann: Caller, gateway: Gateway) -> None:
    first, second = await reachable(gateway), await reachable(gateway, address="b@example.com")
    await gathered(gateway, first)
    assert (await ann.call("DELETE", f"{PATH}/{second}")).status == 204
    assert await place(gateway) == first
    second = await reachable(gateway, address="c@example.com")
    assert (await ann.call("DELETE", f"{PATH}/{first}")).status == 204
    assert await place(gateway) == second


async def test_an_address_of_the_profile_brought_again_takes_along_what_is_gathered(
    ann: Caller, service: Caller, gateway: Gateway
) -> None:
    await service.call("PUT", "/v1/users/ann", json={"email": MAIL})
    [mine] = await items(ann)
    removed = await reachable(gateway, address="b@example.com")
    await ann.call("DELETE", f"{PATH}/{mine['id']}")
    await gathered(gateway, removed)
    await gateway.notifying.endpoints.retire(gateway.pool, "ann", removed, "bounced")
    assert (await add(ann, "email", MAIL)).json["state"] == "active"
    assert str(await place(gateway)) == mine["id"]
