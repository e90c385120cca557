"""Preferences over HTTP: what holds is shown, what is wrong is named."""

from typing import Any

import orjson
import pytest

from gateways.gateway import Gateway
from routing.people import People
from tests.gateways.http.served import Caller

PATH = "/v1/me/preferences"
NIGHT = {"days": ["mon"], "from": "22:00", "to": "07:00"}


@pytest.fixture
def ann(nobody: Caller) -> Caller:
    return nobody.being("ann")


async def patch(ann: Caller, changes: Any) -> Any:
    return await ann.call("PATCH", PATH, json=changes)


async def test_who_said_nothing_sees_the_defaults(ann: Caller) -> None:
    shown = (await ann.get(PATH)).json
    assert shown["channels"] == {
        "in_app": {"enabled": True},
        "push": {"enabled": True},
        "sms": {"enabled": False},
        "email": {"enabled": True},
        "telegram": {"enabled": True},
    }
    likes = {"in_app": True, "push": True, "sms": False, "email": False, "telegram": True}
    assert shown["topics"]["likes"] == likes
    assert shown["topics"]["tips"]["email"] is True
    assert shown["digest"] | {"mode": "weekly", "at": "08:00", "weekday": "mon"} == shown["digest"]
    assert (shown["muted"], shown["locale"], shown["quiet_hours"]["enabled"]) == ([], "en", False)


async def test_put_replaces_all_and_answers_what_holds(ann: Caller) -> None:
    await ann.call("PUT", PATH, json={"channels": {"sms": {"enabled": True}}, "locale": "de"})
    answered = await ann.call("PUT", PATH, json={"topics": {"likes": {"push": False}}})
    assert answered.status == 200
    shown = answered.json
    assert shown == (await ann.get(PATH)).json
    assert shown["topics"]["likes"]["push"] is False
    assert (shown["channels"]["sms"]["enabled"], shown["locale"]) == (False, "en")


async def test_what_is_shown_may_be_put_back(ann: Caller) -> None:
    await patch(ann, {"muted": [{"user": "eve"}], "topics": {"tips": {"sms": True}}})
    shown = (await ann.get(PATH)).json
    assert (await ann.call("PUT", PATH, json=shown)).json == shown


@pytest.mark.parametrize("digest", [{"topics": ["likes"]}, {"channel": "telegram"}, {"mode": "off"}])
async def test_who_puts_back_what_was_shown_with_another_digest_changes_the_digest_alone(
    nobody: Caller, ann: Caller, digest: dict[str, Any]
) -> None:
    shown = (await ann.get(PATH)).json
    for _ in range(2):  # an answer may be lost
        put = await ann.call("PUT", PATH, json=shown | {"digest": shown["digest"] | digest})
    patched = await patch(nobody.being("bob"), {"digest": digest})
    assert put.json == patched.json
    put = await ann.call("PUT", PATH, json=put.json | {"digest": shown["digest"]})
    assert put.json == shown


async def test_what_is_put_by_name_is_said_before_and_after(ann: Caller) -> None:
    said = {"topics": {"likes": {"email": False}}, "digest": {"topics": ["likes"]}}
    for _ in range(2):
        put = await ann.call("PUT", PATH, json=said)
        assert put.json["topics"]["likes"]["email"] is False


async def test_the_zone_of_quiet_hours_is_that_of_the_profile_until_another_is_preferred(
    ann: Caller, service: Caller
) -> None:
    assert (await ann.get(PATH)).json["quiet_hours"]["tz"] == "UTC"
    await service.call("PUT", "/v1/users/ann", json={"tz": "Europe/Berlin"})
    assert (await ann.get(PATH)).json["quiet_hours"]["tz"] == "Europe/Berlin"
    shown = (await patch(ann, {"quiet_hours": {"tz": "Asia/Tokyo"}})).json
    assert shown["quiet_hours"]["tz"] == "Asia/Tokyo"
    assert (await ann.call("PUT", PATH, json=shown)).json == shown
    assert (await patch(ann, {"quiet_hours": {"tz": None}})).json["quiet_hours"]["tz"] == "Europe/Berlin"


async def test_what_is_put_back_goes_on_following_the_profile(ann: Caller, service: Caller) -> None:
    await service.call("PUT", "/v1/users/ann", json={"tz": "Europe/Berlin", "locale": "de"})
    shown = (await ann.get(PATH)).json
    assert (await ann.call("PUT", PATH, json=shown)).json == shown
    await service.call("PUT", "/v1/users/ann", json={"tz": "Asia/Tokyo", "locale": "fr"})
    moved = (await ann.get(PATH)).json
    assert (moved["quiet_hours"]["tz"], moved["locale"]) == ("Asia/Tokyo", "fr")


async def test_patch_merges_and_null_brings_the_default_back(ann: Caller) -> None:
    quiet = {
        "enabled": True,
        "tz": "Europe/Berlin",
        "windows": [NIGHT],
    }
    await patch(ann, {"quiet_hours": quiet, "locale": "de"})
    changed = await patch(ann, {"locale": None, "quiet_hours": {"allow_immediate": True}})
    assert changed.status == 200
    assert changed.json["locale"] == "en"
    assert changed.json["quiet_hours"] | quiet | {"allow_immediate": True} == changed.json["quiet_hours"]


async def test_a_patch_may_come_as_a_merge_patch(ann: Caller) -> None:
    headers = {"Content-Type": "application/merge-patch+json"}
    answered = await ann.call("PATCH", PATH, data=orjson.dumps({"locale": "fr"}), headers=headers)
    assert answered.json["locale"] == "fr"


async def test_one_person_s_preferences_are_not_another_s(nobody: Caller, ann: Caller) -> None:
    await patch(ann, {"locale": "de"})
    assert (await nobody.being("bob").get(PATH)).json["locale"] == "en"
    assert (await nobody.get(PATH)).status == 401


async def test_a_mute_that_is_over_is_not_shown(ann: Caller) -> None:
    muted = [
        {"user": "eve", "until": "2020-01-01T00:00:00Z"},
        {"content": "c1", "until": "2999-01-01T00:00:00Z"},
    ]
    shown = (await patch(ann, {"muted": muted})).json
    assert [one.get("content") for one in shown["muted"]] == ["c1"]


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"colour": 1}, "colour"),
        ({"channels": {"fax": {"enabled": True}}}, "channels.fax"),
        ({"channels": {"push": {"enabled": "yes"}}}, "channels.push.enabled"),
        ({"channels": {"push": True}}, "channels.push"),
        ({"topics": {"weather": {}}}, "topics.weather"),
        ({"topics": {"likes": {"push": 1}}}, "topics.likes.push"),
        ({"quiet_hours": {"tz": "Mars/Olympus"}}, "quiet_hours.tz"),
        ({"quiet_hours": {"tz": "localtime"}}, "quiet_hours.tz"),
        ({"quiet_hours": {"tz": "Factory"}}, "quiet_hours.tz"),
        ({"quiet_hours": {"windows": [NIGHT | {"from": "24:00"}]}}, "quiet_hours.windows[0].from"),
        ({"quiet_hours": {"windows": [NIGHT | {"days": ["someday"]}]}}, "quiet_hours.windows[0].days[0]"),
        ({"digest": {"mode": "hourly"}}, "digest.mode"),
        ({"digest": {"channel": "sms"}}, "digest.channel"),
        ({"digest": {"topics": ["weather"]}}, "digest.topics[0]"),
        ({"muted": [{"user": "eve", "content": "c1"}]}, "muted[0]"),
        ({"muted": [{"user": "eve", "until": "tomorrow"}]}, "muted[0].until"),
        ({"locale": "not a locale"}, "locale"),
        ({f"m{n}": 0 for n in range(50_000)}, ""),
        ({"topics": {f"m{n}": {} for n in range(50_000)}}, ""),
        ({"muted": [{f"m{n}": 0 for n in range(50)}] * 900}, ""),
    ],
)  # fmt: skip
async def test_every_wrong_value_is_422_with_its_path(ann: Caller, wrong: Any, path: str) -> None:
    await patch(ann, {"locale": "de"})
    before = (await ann.get(PATH)).json
    for method in ("PUT", "PATCH"):
        answered = await ann.call(method, PATH, json=wrong)
        assert (answered.status, answered.paths[0]) == (422, path), method
    assert (await ann.get(PATH)).json == before


async def test_what_is_no_object_is_422_and_no_json_400(ann: Caller) -> None:
    for method in ("PUT", "PATCH"):
        assert (await ann.call(method, PATH, json=[])).status == 422
        headers = {"Content-Type": "application/json"}
        assert (await ann.call(method, PATH, data=b"{", headers=headers)).status == 400
        assert (await ann.call(method, PATH, data=b"{}")).status == 415


async def test_the_language_of_the_profile_holds_until_another_is_preferred(
    ann: Caller, service: Caller
) -> None:
    await service.call("PUT", "/v1/users/ann", json={"locale": "de-AT"})
    assert (await ann.get(PATH)).json["locale"] == "de-AT"
    assert (await patch(ann, {"locale": "en"})).json["locale"] == "en"
    assert (await patch(ann, {"locale": None})).json["locale"] == "de-AT"


async def test_what_a_newer_hub_stored_hides_nothing_else(ann: Caller, gateway: Gateway) -> None:
    said = {"locale": "de", "digest": {"mode": "hourly"}, "channels": {"push": {"enabled": False}}}
    await gateway.notifying.preferences.put(gateway.pool, "ann", said)
    shown = (await ann.get(PATH)).json
    assert (shown["locale"], shown["channels"]["push"], shown["digest"]["mode"]) == (
        "de",
        {"enabled": False},
        "weekly",
    )
    to = (await People().load(gateway.pool, ["ann"])).get("ann")
    assert to is None or not to.preferences.channels.push.enabled
    changed = await patch(ann, {"digest": {"at": "21:00"}})
    assert (changed.status, changed.json["digest"]["at"], changed.json["locale"]) == (200, "21:00", "de")
