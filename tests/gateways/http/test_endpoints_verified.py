"""How people prove addresses over HTTP: what is sent, what counts, and what is told to whom."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateways.gateway import Gateway
from routing.consent import Consents, Scope
from routing.inbox import Inbox
from routing.proofs import Proofs
from schemas.store.telegram_links import TelegramLinks
from tests.gateways.http.proving import PATH, PHONE, add, code, link, other_than, sent, state, verify
from tests.gateways.http.served import Caller, serving, with_limits
from tests.gateways.telling import MAIL
from tests.simulated import FakeClock
from tests.simulated_telegram import BOT


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gateway(gateway: Gateway, clock: FakeClock) -> Gateway:
    notifying = replace(
        gateway.notifying, inbox=Inbox(gateway.pool, gateway.outbox, clock), consents=Consents(clock)
    )
    config = replace(gateway.config, telegram_bot=BOT)
    return replace(gateway, config=config, clock=clock, notifying=notifying)


@pytest.fixture
async def nobody(gateway: Gateway) -> AsyncIterator[Caller]:
    async with serving(gateway) as caller:
        yield caller


@pytest.fixture
def ann(nobody: Caller) -> Caller:
    return nobody.being("ann")


async def test_a_number_is_proved_by_its_code_once(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    right = await code(gateway, made["id"])
    proved = await verify(ann, made["id"], f" {right[:3]} {right[3:]} ")
    assert (proved.status, proved.json["state"], proved.json["verification"]) == (200, "active", None)
    assert proved.json["verified_at"]
    again = await verify(ann, made["id"], right)
    assert (again.status, again.json["code"]) == (409, "conflict")
    assert await state(ann, made["id"]) == "active"


async def test_what_is_sent_is_urgent_and_ends_with_the_code(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    [row] = await gateway.pool.fetch("SELECT * FROM deliveries")
    assert (row["channel"], row["address"], row["priority"], row["status"]) == ("sms", PHONE, 0, "queued")
    assert row["expires_at"] == gateway.clock.now() + timedelta(minutes=10)
    assert made["verification"]["expires_at"] == "2026-11-21T12:10:00Z"
    mail = await add(ann, "email", MAIL)
    assert mail["verification"]["expires_at"] == "2026-11-22T12:00:00Z"


async def test_five_wrong_tries_end_a_code_and_a_new_one_works(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    right = await code(gateway, made["id"])
    for left in (
        "4 tries are left",
        "3 tries are left",
        "2 tries are left",
        "1 try is left",
        "ask for a new",
    ):
        wrong = await verify(ann, made["id"], other_than(right))
        assert (wrong.status, wrong.paths) == (422, ["code"])
        assert left in wrong.json["detail"]
    refused = await verify(ann, made["id"], right)
    assert (refused.status, "ask for a new one" in refused.json["detail"]) == (409, True)
    # The next may be asked for at once: the one before is worth nothing.
    assert (await add(ann))["verification"]["tries_left"] == 5
    assert (await verify(ann, made["id"], await code(gateway, made["id"]))).status == 200


@pytest.mark.parametrize("slip", ["12", "abcdef", "1234567", "12345a", "١٢٣٤٥٦", "/verify/x"])
async def test_what_cannot_be_a_code_counts_as_no_try(ann: Caller, gateway: Gateway, slip: str) -> None:
    made = await add(ann)
    for _ in range(6):
        refused = await verify(ann, made["id"], slip)
        assert (refused.status, refused.paths) == (422, ["code"])
        assert "six digits" in refused.json["detail"]
    assert (await ann.get(PATH)).json["items"][0]["verification"]["tries_left"] == 5
    assert (await verify(ann, made["id"], await code(gateway, made["id"]))).status == 200


async def test_a_new_code_ends_the_one_before(ann: Caller, gateway: Gateway, clock: FakeClock) -> None:
    made = await add(ann)
    first = await code(gateway, made["id"])
    early = await ann.post(f"{PATH}/{made['id']}/code")
    assert (early.status, early.headers["Retry-After"]) == (429, "30")
    clock.go(timedelta(seconds=30))
    asked = await ann.post(f"{PATH}/{made['id']}/code")
    assert (asked.status, asked.json["again_at"]) == (202, "2026-11-21T13:00:00Z")  # two in an hour
    second = await code(gateway, made["id"])
    assert (await verify(ann, made["id"], first)).status == 422
    assert (await verify(ann, made["id"], second)).status == 200


async def test_a_code_ends_after_ten_minutes(ann: Caller, gateway: Gateway, clock: FakeClock) -> None:
    made = await add(ann)
    clock.go(timedelta(minutes=10))
    assert (await verify(ann, made["id"], await code(gateway, made["id"]))).status == 409
    assert await state(ann, made["id"]) == "pending"


async def test_a_code_is_good_for_its_own_endpoint_and_person_only(
    ann: Caller, nobody: Caller, gateway: Gateway
) -> None:
    made, other = await add(ann), await add(ann, address="+15550002222")
    bob = nobody.being("bob")
    theirs = await add(bob)
    right = await code(gateway, made["id"])
    assert (await verify(bob, made["id"], right)).status == 404
    assert (await verify(bob, theirs["id"], right)).status == 422
    assert (await verify(ann, other["id"], right)).status == 422
    assert (await verify(ann, made["id"], right)).status == 200
    assert await state(bob, theirs["id"]) == "pending"


@pytest.mark.parametrize(
    "body", [{}, {"code": 123456}, {"code": ""}, {"code": "1", "more": 1}, {"code": "x" * 1001}]
)
async def test_what_is_no_code_is_422_and_no_try(ann: Caller, gateway: Gateway, body: dict[str, Any]) -> None:
    made = await add(ann)
    assert (await ann.post(f"{PATH}/{made['id']}/verify", json=body)).status == 422
    assert await gateway.pool.fetchval("SELECT sum(tries) FROM verifications") == 0


async def test_odd_letters_are_a_wrong_code(ann: Caller) -> None:
    made = await add(ann)
    for given in ("é", "١٢٣٤٥٦", "/verify/", "\ud83d\ude00", "a" * 1000):
        assert (await verify(ann, made["id"], given)).status == 422, given


async def test_a_removed_endpoint_is_not_proved(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    mail = await add(ann, "email", MAIL)
    right, there = await code(gateway, made["id"]), await link(gateway, mail["id"])
    for one in (made, mail):
        await ann.call("DELETE", f"{PATH}/{one['id']}")
    assert (await verify(ann, made["id"], right)).status == 404
    assert (await ann.post(f"{PATH}/{made['id']}/code")).status == 404
    assert (await ann.using(None).post(there)).status == 410
    states = await gateway.pool.fetch("SELECT state FROM endpoints")
    assert {row["state"] for row in states} == {"retired"}


async def test_two_devices_at_once_prove_once(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    right = await code(gateway, made["id"])
    answered = await asyncio.gather(*(verify(ann, made["id"], right) for _ in range(8)))
    assert sorted(one.status for one in answered) == [200] + [409] * 7


async def test_wrong_tries_at_once_are_all_counted(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann)
    wrong = other_than(await code(gateway, made["id"]))
    answered = await asyncio.gather(*(verify(ann, made["id"], wrong) for _ in range(12)))
    assert sorted(one.status for one in answered) == [409] * 7 + [422] * 5
    assert await gateway.pool.fetchval("SELECT tries FROM verifications") == 5


async def test_so_many_codes_go_to_an_address_in_an_hour(
    ann: Caller, gateway: Gateway, clock: FakeClock
) -> None:
    made = await add(ann)
    clock.go(timedelta(minutes=4))
    assert (await ann.post(f"{PATH}/{made['id']}/code")).status == 202
    clock.go(timedelta(minutes=1))
    refused = await ann.post(f"{PATH}/{made['id']}/code")
    assert (refused.status, refused.headers["Retry-After"]) == (429, str(55 * 60))
    # Nor by bringing the address again, in whatever way.
    await ann.call("DELETE", f"{PATH}/{made['id']}")
    assert (await add(ann))["verification"]["again_at"] == "2026-11-21T13:00:00Z"
    assert len(await sent(gateway, made["id"])) == 2
    clock.go(timedelta(minutes=55))
    assert (await ann.post(f"{PATH}/{made['id']}/code")).status == 202


async def test_so_many_codes_are_sent_for_a_person_in_an_hour(gateway: Gateway, clock: FakeClock) -> None:
    async with serving(with_limits(gateway, codes_per_person=3)) as nobody:
        ann = nobody.being("ann")
        made = [await add(ann, address=f"+1555000111{n}") for n in range(4)]
        assert [len(await sent(gateway, one["id"])) for one in made] == [1, 1, 1, 0]
        assert made[3]["verification"]["asked_at"] is None
        assert (await ann.post(f"{PATH}/{made[3]['id']}/code")).status == 429
        clock.go(timedelta(hours=1))
        assert (await ann.post(f"{PATH}/{made[3]['id']}/code")).status == 202


async def test_nobody_learns_what_others_do_with_an_address(nobody: Caller, gateway: Gateway) -> None:
    """The answers are the same, whether the address is another's, had enough codes, or refused mails."""

    def shape(one: dict[str, Any]) -> dict[str, Any]:
        return one | {"id": None}

    zoe = nobody.being("zoe")
    fresh = shape(await add(zoe, address="+15550009999")) | {"address": PHONE}
    for number in range(15):
        await add(nobody.being(f"user{number}"))
    eve = nobody.being("eve")
    theirs = await add(eve)
    assert shape(theirs) == fresh
    assert await sent(gateway, theirs["id"]) == []
    # Nothing was sent, so nothing is right: not even what would have been.
    last = await gateway.pool.fetchval("SELECT id FROM verifications WHERE user_id = 'eve'")
    wrong = await verify(eve, theirs["id"], Proofs(gateway.notifying.links).digits(last))
    assert (wrong.status, "4 tries are left" in wrong.json["detail"]) == (422, True)
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.stop(tx, Scope("email", MAIL), source="link")
    mail = await add(eve, "email", MAIL)
    assert shape(mail) == shape(await add(zoe, "email", "zoe@example.com")) | {"address": MAIL}
    assert (mail["unsubscribed"], await sent(gateway, mail["id"])) == ([], [])
    # What was brought before it was proved, and used by whoever had it then.
    await gateway.pool.execute("UPDATE endpoints SET used_at = now(), verified_at = now()")
    assert {(one["used_at"], one["verified_at"]) for one in (await eve.get(PATH)).json["items"]} == {
        (None, None)
    }


async def refused(gateway: Gateway, source: str) -> None:
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.stop(tx, Scope("email", MAIL), source=source)


@pytest.mark.parametrize("source", ["bounce", "complaint", "link"])
async def test_an_address_of_the_profile_that_refuses_everything_is_to_be_proved(
    ann: Caller, nobody: Caller, gateway: Gateway, source: str
) -> None:
    await nobody.being("shop", "publish").call("PUT", "/v1/users/ann", json={"email": MAIL})
    await refused(gateway, source)
    made = await add(ann, "email", MAIL)
    assert made["state"] == "pending"
    assert set(await gateway.notifying.ledger.refused(gateway.pool, [("email", MAIL)]))
    assert (await nobody.post(await link(gateway, made["id"]))).status == 200
    assert [(one["state"], one["unsubscribed"]) for one in (await ann.get(PATH)).json["items"]] == [
        ("active", [])
    ]


@pytest.mark.parametrize(
    ("source", "state"), [("bounce", "pending"), ("complaint", "pending"), ("link", "active")]
)
async def test_what_came_back_from_an_address_only_its_reader_disproves(
    ann: Caller, gateway: Gateway, source: str, state: str
) -> None:
    made = await add(ann, "email", MAIL)
    assert (await ann.post(await link(gateway, made["id"]))).status == 200
    await refused(gateway, source)
    assert (await add(ann, "email", MAIL))["state"] == state
    left = await gateway.notifying.ledger.refused(gateway.pool, [("email", MAIL)])
    assert bool(left) is (state == "pending")
    if state == "pending":
        assert (await ann.post(await link(gateway, made["id"]))).status == 200
        assert await gateway.notifying.ledger.refused(gateway.pool, [("email", MAIL)]) == {}


async def test_who_said_stop_gets_no_code(ann: Caller, gateway: Gateway) -> None:
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.notifying.consents.stop(tx, Scope("sms", PHONE), source="keyword")
    made = await add(ann)
    assert made["verification"]["tries_left"] == 5
    assert await sent(gateway, made["id"]) == []


async def test_an_address_of_the_profile_needs_no_proof(
    ann: Caller, nobody: Caller, gateway: Gateway
) -> None:
    await nobody.being("shop", "publish").call("PUT", "/v1/users/ann", json={"phone": PHONE})
    made = await add(ann)
    assert (made["state"], made["verification"]) == ("active", None)
    assert (await verify(ann, made["id"], "123456")).status == 409
    assert (await ann.post(f"{PATH}/{made['id']}/code")).status == 409
    assert await sent(gateway, made["id"]) == []


async def test_what_the_hub_does_not_send_on_is_said(gateway: Gateway) -> None:
    config = replace(gateway.config, channels=("push",))
    async with serving(replace(gateway, config=config)) as nobody:
        ann = nobody.being("ann")
        made = await add(ann)
        assert made["verification"] is None
        refused = await ann.post(f"{PATH}/{made['id']}/code")
        assert (refused.status, refused.json["detail"]) == (
            409,
            "this hub sends no SMS; choose another channel",
        )
        assert (await ann.get(PATH)).json["channels"] == ["push"]


async def test_how_it_stands_is_there_after_a_reload(ann: Caller, gateway: Gateway, clock: FakeClock) -> None:
    made = await add(ann)
    await verify(ann, made["id"], other_than(await code(gateway, made["id"])))
    [shown] = (await ann.get(PATH)).json["items"]
    assert shown["verification"] == {
        "asked_at": "2026-11-21T12:00:00Z",
        "expires_at": "2026-11-21T12:10:00Z",
        "tries_left": 4,
        "again_at": "2026-11-21T12:00:30Z",
    }
    clock.go(timedelta(minutes=20))
    [shown] = (await ann.get(PATH)).json["items"]
    assert shown["verification"]["again_at"] == "2026-11-21T12:20:00Z"


async def test_a_link_may_also_be_brought_as_the_code(ann: Caller, gateway: Gateway) -> None:
    made = await add(ann, "email", MAIL)
    there = await link(gateway, made["id"])
    assert (await verify(ann, made["id"], "123456")).status == 422
    assert (await verify(ann, made["id"], f"https://hub.example.com{there}")).status == 200


async def test_devices_are_renamed(ann: Caller, nobody: Caller) -> None:
    added = await ann.post(
        PATH, json={"channel": "push", "address": "token", "kind": "token", "name": "Phone"}
    )
    there = f"{PATH}/{added.json['id']}"
    renamed = await ann.call("PATCH", there, json={"name": "Old phone"})
    assert (renamed.status, renamed.json) == (200, added.json | {"name": "Old phone"})
    assert (await ann.call("PATCH", there, json={})).json["name"] == "Old phone"
    assert (await ann.call("PATCH", there, json={"name": None})).json["name"] is None
    assert (await ann.call("PATCH", there, json={"name": "a\nb"})).paths == ["name"]
    assert (await ann.call("PATCH", there, json={"state": "active"})).paths == ["state"]
    for body in ({"name": "Mine"}, {}):
        assert (await nobody.being("bob").call("PATCH", there, json=body)).status == 404
    await ann.call("DELETE", there)
    assert (await ann.call("PATCH", there, json={"name": "Gone"})).status == 404


async def test_a_link_to_the_bot_is_made_for_ten_minutes(ann: Caller, gateway: Gateway) -> None:
    assert (await ann.post(f"{PATH}/telegram-link")).status == 404
    links = TelegramLinks()
    await links.call_bot(gateway.pool, "4242", "former_bot")
    assert (await ann.post(f"{PATH}/telegram-link")).status == 404
    await links.call_bot(gateway.pool, BOT, "hub_test_bot")
    made = await ann.post(f"{PATH}/telegram-link")
    assert made.status == 201
    assert made.json.keys() == {"url", "expires_at"}
    assert made.json["expires_at"] == "2026-11-21T12:10:00Z"
    before, _, token = made.json["url"].partition("?start=")
    assert before == "https://t.me/hub_test_bot"
    shown = await links.use(gateway.pool, token, gateway.clock.now())
    assert (shown.state, shown.user_id) == ("fresh", "ann")


async def test_so_many_links_to_the_bot_are_made_in_an_hour(
    ann: Caller, gateway: Gateway, clock: FakeClock
) -> None:
    await TelegramLinks().call_bot(gateway.pool, BOT, "hub_test_bot")
    for _ in range(10):
        assert (await ann.post(f"{PATH}/telegram-link")).status == 201
        clock.go(timedelta(minutes=1))
    refused = await ann.post(f"{PATH}/telegram-link")
    assert (refused.status, refused.headers["Retry-After"]) == (429, str(50 * 60))
    clock.go(timedelta(minutes=50))
    assert (await ann.post(f"{PATH}/telegram-link")).status == 201


async def test_where_nothing_is_sent_by_telegram_there_are_no_links_to_a_bot(gateway: Gateway) -> None:
    await TelegramLinks().call_bot(gateway.pool, BOT, "hub_test_bot")
    config = replace(gateway.config, channels=("push",))
    async with serving(replace(gateway, config=config)) as nobody:
        assert (await nobody.being("ann").post(f"{PATH}/telegram-link")).status == 404
