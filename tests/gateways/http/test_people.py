"""Users as the platform tells of them, and as they see themselves."""

import asyncio
from itertools import count
from typing import Any

import orjson
import pytest

from bus.outbox import Outbox
from gateways.gateway import Gateway
from gateways.http import export
from routing.consent import Scope
from schemas.db import Pool
from schemas.events.hours import HoursTipped
from schemas.ids import uuid7
from schemas.store.endpoints import NewEndpoint
from schemas.store.telegram_links import TelegramLinks, new_token
from schemas.store.users import Users
from tests.gateways.http.served import Caller, liked
from tests.gateways.telling import MAIL, reachable, tell, tip

ANN: dict[str, Any] = {
    "handle": "ann",
    "name": "Ann Example",
    "tz": "Europe/Berlin",
    "locale": "de-AT",
    "email": "ann@example.com",
    "phone": "+4915112345678",
    "roles": ["creator", "moderator"],
}
EMPTY: dict[str, Any] = {
    "handle": None,
    "name": None,
    "tz": None,
    "locale": None,
    "email": None,
    "phone": None,
    "roles": [],
}


async def put(service: Caller, user: str, profile: Any) -> Any:
    return await service.call("PUT", f"/v1/users/{user}", json=profile)


async def test_put_creates_and_replaces(service: Caller) -> None:
    created = await put(service, "ann", ANN)
    assert created.status == 201
    assert created.json | ANN == created.json
    assert created.json["email_verified_at"] == created.json["phone_verified_at"] is not None
    assert (await service.get("/v1/users/ann")).json == created.json
    replaced = await put(service, "ann", {"name": "Ann"})
    assert replaced.status == 200
    assert replaced.json | EMPTY | {"name": "Ann"} == replaced.json
    assert (replaced.json["email_verified_at"], replaced.json["phone_verified_at"]) == (None, None)
    assert replaced.json["created_at"] == created.json["created_at"]


async def test_an_address_that_stays_keeps_the_time_it_was_verified(service: Caller) -> None:
    first = (await put(service, "ann", ANN)).json
    again = (await put(service, "ann", ANN)).json
    assert again["email_verified_at"] == first["email_verified_at"]
    moved = (await put(service, "ann", ANN | {"email": "new@example.com"})).json
    assert moved["email_verified_at"] > first["email_verified_at"]
    assert moved["phone_verified_at"] == first["phone_verified_at"]


async def test_someone_an_event_named_is_replaced_not_created(service: Caller) -> None:
    await service.publish(liked())
    assert (await put(service, "ann", ANN)).status == 200


async def test_null_is_the_same_as_absent(service: Caller) -> None:
    nothing = {name: None for name in ANN if name != "roles"}
    await put(service, "ann", ANN)
    cleared = (await put(service, "ann", nothing)).json
    assert cleared | EMPTY == cleared


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("tz", ["Mars/Olympus", "", "../etc/passwd", 5, "europe/berlin\x00", "localtime", "Factory"]),
        ("locale", ["", "e", "en_GB", "-en", "en-", "x" * 90, 5]),
        ("email", ["", "ann", "ann@", "@example.com", "a b@example.com", "ann@example", "a@b@example.com",
                   "ann@-x.example", "ann@example.com\n", "x" * 65 + "@example.com", 5]),
        ("phone", ["", "015112345678", "+0151", "+49 151 1234", "+123", "+" + "1" * 16, 5]),
        ("handle", ["", "   ", "a\x00b", "a\nb", "x" * 201, 5, ["ann"]]),
        ("name", ["", "a\x00b", "x" * 201, {}]),
        ("roles", ["creator", ["a b"], [""], [5], ["r"] * 33, {}, None]),
        ("id", ["ann"]),
        ("colour", ["red"]),
    ],
)  # fmt: skip
async def test_a_wrong_member_is_422_and_named(service: Caller, member: str, values: list[Any]) -> None:
    for value in values:
        answered = await put(service, "ann", {member: value})
        assert answered.status == 422, value
        assert answered.paths[0].startswith(member), (value, answered.body)


async def test_what_is_wrong_is_said_in_plain_words(service: Caller) -> None:
    wrong = {"roles": ["a b"], "handle": "", "email": "ann", "colour": "red", "tz": "Mars", "locale": 5}
    told = {one["path"]: one["message"] for one in (await put(service, "ann", wrong)).json["errors"]}
    assert told == {
        "roles[0]": "must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
        "handle": "must not be empty",
        "email": "must be an e-mail address",
        "colour": "is not known here",
        "tz": "is not a time zone of the IANA database, such as Europe/Berlin",
        "locale": "must be a valid string",
    }


async def test_good_members_of_many_kinds_are_taken(service: Caller) -> None:
    for profile in (
        {"locale": "en"},
        {"locale": "zh-Hant-TW"},
        {"locale": "de-CH-1996"},
        {"locale": "es-419"},
        {"locale": "en-u-ca-gregory-x-own"},
        {"tz": "UTC"},
        {"tz": "America/Argentina/Buenos_Aires"},
        {"email": "first.last+tag@sub.example.co"},
        {"phone": "+12025550123"},
        {"name": "Zoë Ølberg 🎈", "handle": "zoë"},
        {"roles": ["a", "a", "b"]},
    ):
        assert (await put(service, "ann", profile)).status in (200, 201), profile
    assert (await service.get("/v1/users/ann")).json["roles"] == ["a", "b"]


async def test_a_user_id_has_its_form_and_an_unknown_one_is_404(service: Caller) -> None:
    for wrong in ("a%20b", "x" * 65, "a%2Fb", "%00", "é"):
        for answered in (await service.get(f"/v1/users/{wrong}"), await put(service, wrong, {})):
            assert (answered.status, answered.paths) == (422, ["id"])
    assert (await service.get("/v1/users/nobody")).status == 404
    assert (await put(service, "a.b:c-d_9", {})).status == 201


async def test_what_is_no_object_is_422_and_no_json_400(service: Caller) -> None:
    assert (await put(service, "ann", [])).status == 422
    headers = {"Content-Type": "application/json"}
    assert (await service.call("PUT", "/v1/users/ann", data=b"{", headers=headers)).status == 400
    assert (await service.call("PUT", "/v1/users/ann", data=b"{}")).status == 415


async def test_i_see_and_change_my_own_profile(nobody: Caller, service: Caller) -> None:
    await put(service, "ann", ANN)
    ann = nobody.being("ann")
    assert (await ann.get("/v1/me")).json["name"] == "Ann Example"
    changed = await ann.call("PATCH", "/v1/me", json={"name": "Anna", "tz": None})
    assert changed.status == 200
    assert changed.json | ANN | {"name": "Anna", "tz": None} == changed.json
    assert (await service.get("/v1/users/ann")).json == changed.json


async def test_a_patch_may_come_as_a_merge_patch_and_may_be_empty(nobody: Caller) -> None:
    ann = nobody.being("ann")
    headers = {"Content-Type": "application/merge-patch+json"}
    body = orjson.dumps({"handle": "ann"})
    assert (await ann.call("PATCH", "/v1/me", data=body, headers=headers)).json["handle"] == "ann"
    assert (await ann.call("PATCH", "/v1/me", json={})).json["handle"] == "ann"


async def test_what_the_platform_sets_i_cannot(nobody: Caller) -> None:
    ann = nobody.being("ann")
    for member in ("email", "phone", "roles"):
        for value in ("ann@example.com", None, ["admin"]):
            answered = await ann.call("PATCH", "/v1/me", json={member: value})
            assert (answered.status, answered.paths) == (422, [member])
            assert "platform" in answered.json["detail"]
    answered = await ann.call("PATCH", "/v1/me", json={"suspended_at": None, "tz": "Mars"})
    assert (answered.status, set(answered.paths)) == (422, {"suspended_at", "tz"})


async def test_very_many_members_are_one_error(nobody: Caller, service: Caller) -> None:
    many = dict.fromkeys(map(str, range(50_000)), 0)
    for answered in (
        await nobody.being("ann").call("PATCH", "/v1/me", json=many),
        await put(service, "ann", many),
    ):
        assert (answered.status, answered.paths) == (422, [""])
    answered = await put(service, "ann", {"roles": [1] * 300_000})
    assert (answered.status, answered.paths) == (422, ["roles"])
    answered = await put(service, "ann", {"x" * 500_000: 1, "a\x00b": 1})
    assert answered.paths == ["x" * 100, "a\\x00b"]


async def test_a_new_column_breaks_nobody(service: Caller, nobody: Caller, pool: Pool) -> None:
    async def everything() -> set[int]:
        ann = nobody.being("ann")
        return {
            (await put(service, "ann", ANN)).status,
            (await ann.get("/v1/me")).status,
            (await ann.call("PATCH", "/v1/me", json={"name": "Anna"})).status,
            (await nobody.being(f"new{next(numbers)}").get("/v1/me")).status,
            (await nobody.get("/dev/users")).status,
        }

    numbers = count()
    await put(service, "ann", ANN)
    assert await everything() == {200}
    await pool.execute("ALTER TABLE users ADD COLUMN later text")
    assert await everything() == {200}
    await pool.execute("ALTER TABLE users DROP COLUMN later")
    assert await everything() == {200}


async def test_who_was_named_first_still_tells_name_and_zone_once(pool: Pool) -> None:
    users = Users()
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).add(tx, HoursTipped(to="ann", amount=1))
    assert (await users.greet(pool, "ann", name=None, tz=None)).is_bare
    told = await users.greet(pool, "ann", name="Ann", tz="Asia/Tokyo")
    assert (told.name, told.tz) == ("Ann", "Asia/Tokyo")
    again = await users.greet(pool, "ann", name="Annette", tz="UTC")
    assert again == told


async def test_what_the_platform_told_stays_whatever_a_token_says(service: Caller, pool: Pool) -> None:
    await put(service, "ann", {"handle": "ann"})
    ann = await Users().greet(pool, "ann", name="Someone", tz="UTC")
    assert (ann.handle, ann.name, ann.tz) == ("ann", None, None)


async def test_many_first_calls_at_once_make_one_person(pool: Pool) -> None:
    users = Users()
    found = await asyncio.gather(*(users.greet(pool, "ann", name="Ann", tz=None) for _ in range(20)))
    assert {(one.id, one.name) for one in found} == {("ann", "Ann")}


async def test_my_first_call_takes_name_and_zone_from_the_token(nobody: Caller, pool: Pool) -> None:
    import jwt

    from tests.gateways.http.served import SECRET

    claims = {"sub": "ann", "scope": "user", "exp": 4_000_000_000, "name": "Ann", "tz": "Asia/Tokyo"}
    ann = nobody.using(jwt.encode(claims, SECRET))
    assert (await ann.get("/v1/me")).json | {"name": "Ann", "tz": "Asia/Tokyo"} == (
        await ann.get("/v1/me")
    ).json
    await ann.call("PATCH", "/v1/me", json={"name": "Someone else"})
    assert (await ann.get("/v1/me")).json["name"] == "Someone else"


async def test_my_export_holds_my_profile_and_my_events(
    nobody: Caller, service: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    mine = [liked(f"c{n}", actor="bob") for n in range(5)] + [
        {"type": "content.created", "actor": "eve",
         "data": {"content_id": "n", "author": "eve", "kind": "post", "title": "t", "mentions": ["bob"]}},
        {"type": "hours.tipped", "actor": "eve", "data": {"to": "bob", "amount": 5}},
    ]  # fmt: skip
    others = [
        liked("theirs", actor="eve"),
        {"type": "content.commented", "actor": "eve",
         "data": {"content_id": "n", "author": "ann", "text": "bob"}},
    ]  # fmt: skip
    ids = [one["id"] for one in (await service.publish(mine)).json["accepted"]]
    await service.publish(others)
    answered = await nobody.being("bob").get("/v1/me/export")
    assert answered.status == 200
    assert "attachment" in answered.headers["Content-Disposition"]
    shown = answered.json
    assert shown.keys() == export.Export.model_fields.keys()
    assert shown["profile"]["id"] == "bob"
    assert [event["id"] for event in shown["events"]] == sorted(ids)
    assert (await nobody.being("new").get("/v1/me/export")).json["events"] == []


async def test_my_export_holds_what_i_was_told_and_how(
    nobody: Caller, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 3)
    ann = nobody.being("ann")
    await ann.call("PATCH", "/v1/me/preferences", json={"locale": "de"})
    await reachable(gateway)
    async with gateway.pool.acquire() as tx, tx.transaction():
        for topic in ("likes", "tips", "sales", "live"):
            scope = Scope("email", MAIL, topic)
            await gateway.notifying.consents.stop(tx, scope, source="settings", user="ann")
    events = [str(await tell(gateway, tip(amount=n + 1))) for n in range(7)]
    shown = (await ann.get("/v1/me/export")).json
    assert shown["preferences"] == {"locale": "de"}
    assert [one["address"] for one in shown["endpoints"]] == [MAIL]
    assert [one["topic"] for one in shown["consent"]] == ["live", "sales", "tips", "likes"]
    assert [one["event_ids"] for one in shown["notifications"]] == [[event] for event in events[::-1]]
    assert [one["event_id"] for one in shown["history"]] == events[::-1]
    assert "decisions" in shown["history"][0]


async def test_my_export_holds_proofs_digests_and_what_i_told_the_bot(
    nobody: Caller, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "PAGE", 2)
    ann, bob = nobody.being("ann"), nobody.being("bob")
    for caller in (ann, bob):
        for number in range(3):
            body = {"channel": "sms", "address": f"+1555000111{number}"}
            assert (await caller.post("/v1/me/endpoints", json=body)).status == 201
    for user in ("ann", "ann", "ann", "bob"):
        await TelegramLinks().put(gateway.pool, user, new_token(), gateway.clock.now())
    for user, chat in (("ann", 41), ("bob", 42)):
        new = NewEndpoint(id=uuid7(), user_id=user, channel="telegram", address=str(chat), state="active")
        await gateway.notifying.endpoints.put(gateway.pool, new, gateway.clock.now())
        for number in range(3):
            await gateway.pool.execute(
                "INSERT INTO telegram_updates (update_id, chat, body) VALUES ($1, $2, $3)",
                chat * 10 + number,
                chat,
                {"message": {"text": f"{user} {number}"}},
            )
            digest = uuid7()
            await gateway.pool.execute(
                "INSERT INTO digests (id, user_id, channel, endpoint_id, kind, state, due_at, opened_at,"
                " closed_at) VALUES ($1, $2, 'email', $1, 'scheduled', 'closed', now(), now(), now())",
                digest,
                user,
            )
            await gateway.pool.execute("INSERT INTO digest_items VALUES ($1, $1, $1, 'likes', now())", digest)
    assert (await ann.get("/v1/me/export")).json["deliveries"] == []  # of codes for what is not proved
    await gateway.pool.execute("UPDATE endpoints SET verified_at = now() WHERE channel = 'sms'")
    shown = (await ann.get("/v1/me/export")).json
    assert [one["address"] for one in shown["verifications"]] == [f"+1555000111{n}" for n in (2, 1, 0)]
    assert [one["topic"] for one in shown["deliveries"]] == ["verification"] * 3
    assert [one["body"]["message"]["text"] for one in shown["telegram_updates"]] == [
        "ann 2",
        "ann 1",
        "ann 0",
    ]
    assert [one["digest_id"] for one in shown["digest_items"]] == [one["id"] for one in shown["digests"]]
    assert len(shown["digest_items"]) == 3
    assert [one.keys() for one in shown["telegram_links"]] == [{"created_at", "expires_at", "used_at"}] * 3
    for name, (_, model) in export.HELD.items():
        for one in shown[name]:
            model.model_validate(one)


async def test_suspending_and_resuming_say_whether_they_changed_anything(pool: Pool) -> None:
    users = Users()
    assert [await users.suspend(pool, "eve"), await users.suspend(pool, "eve")] == [True, False]
    eve = await users.get(pool, "eve")
    assert eve is not None
    assert eve.suspended_at is not None
    assert [await users.resume(pool, "eve"), await users.resume(pool, "eve")] == [True, False]
    assert await users.resume(pool, "never seen") is False


async def test_events_make_the_people_they_name_exist_and_change_nobody(pool: Pool) -> None:
    users = Users()
    await users.greet(pool, "b", name="Bea", tz=None)
    async with pool.acquire() as tx, tx.transaction():
        await Outbox(pool).add(tx, HoursTipped(to="b", amount=1, actor="a"), HoursTipped(to="c", amount=1))
    assert [(user.id, user.name) for user in await users.list(pool)] == [
        ("a", None),
        ("b", "Bea"),
        ("c", None),
    ]
    assert [user.id for user in await users.list(pool, after="a", limit=1)] == ["b"]
