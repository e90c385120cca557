"""The development sign-in: there in development, for this machine's own pages, and nowhere else."""

from dataclasses import replace

import pytest

from gateways.auth import COMMAND_LINE
from gateways.gateway import Gateway
from tests.gateways.http.served import Caller, liked, serving


async def test_a_suggested_user_signs_in_and_can_be_somebody(nobody: Caller) -> None:
    users = (await nobody.get("/dev/users")).json["users"]
    assert [user["id"] for user in users] == ["ann", "bob", "cleo", "admin"]
    answered = await nobody.post("/dev/sign-in", json={"user": "ann"})
    assert answered.status == 200
    assert answered.json["user"] == "ann"
    assert answered.json["scopes"] == ["user", "publish"]
    ann = nobody.using(answered.json["token"])
    assert (await ann.get("/v1/me")).json["name"] == "Ann"
    assert (await ann.get("/v1/events")).status == 403


async def test_the_admin_is_one(nobody: Caller) -> None:
    answered = await nobody.post("/dev/sign-in", json={"user": "admin"})
    assert "admin" in answered.json["scopes"]
    assert (await nobody.using(answered.json["token"]).get("/v1/events")).status == 200


async def test_known_users_are_listed_too(nobody: Caller, service: Caller) -> None:
    await service.call("PUT", "/v1/users/zoe", json={"name": "Zoe", "roles": ["creator"]})
    await service.call("PUT", "/v1/users/ann", json={"name": "Ann of Cleves"})
    users = {user["id"]: user for user in (await nobody.get("/dev/users")).json["users"]}
    assert (users["zoe"]["name"], users["zoe"]["roles"]) == ("Zoe", ["creator"])
    assert users["ann"]["name"] == "Ann of Cleves"


async def test_the_command_line_is_nobody_to_be(nobody: Caller) -> None:
    await nobody.being(COMMAND_LINE, "publish").publish(liked())
    assert COMMAND_LINE not in [user["id"] for user in (await nobody.get("/dev/users")).json["users"]]


async def test_a_wrong_user_is_422(nobody: Caller) -> None:
    for body in ({}, {"user": "a b"}, {"user": 5}, {"user": "ann", "scopes": ["admin"]}):
        assert (await nobody.post("/dev/sign-in", json=body)).status == 422, body
    assert (await nobody.post("/dev/sign-in", data={"user": "ann"})).status == 415


async def test_foreign_pages_and_rebound_names_are_refused(nobody: Caller) -> None:
    for headers in (
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
        {"Host": "evil.example.com"},
        {"Host": "evil.example.com", "Origin": "http://evil.example.com"},
        {"Origin": "http://127.0.0.1:1"},
    ):
        for answered in (
            await nobody.post("/dev/sign-in", json={"user": "admin"}, headers=headers),
            await nobody.get("/dev/users", headers=headers),
        ):
            assert answered.status == 403, headers
            assert "Access-Control-Allow-Origin" not in answered.headers
    own = await nobody.post("/dev/sign-in", json={"user": "ann"}, headers={"Origin": nobody.url})
    assert own.status == 200


@pytest.mark.parametrize("trusted", [(), ("127.0.0.1/32",)])
async def test_someone_behind_a_proxy_is_not_this_machine(gateway: Gateway, trusted: tuple[str, ...]) -> None:
    config = replace(gateway.config, trusted_proxies=trusted)
    async with serving(replace(gateway, config=config)) as nobody:
        for headers in (
            {"X-Forwarded-For": "198.51.100.1"},
            {"x-forwarded-for": "127.0.0.1"},
            {"X-Forwarded-Proto": "https"},
            {"X-Forwarded-Host": "hub.example.com"},
            {"X-Real-IP": "198.51.100.1"},
            {"Forwarded": "for=198.51.100.1"},
            {"Via": "1.1 proxy"},
        ):
            answered = await nobody.post("/dev/sign-in", json={"user": "ann"}, headers=headers)
            assert answered.status == 403, headers
            assert (await nobody.get("/dev/users", headers=headers)).status == 403, headers


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://127.0.0.1:8080", 200),
        ("http://localhost", 200),
        ("http://[::1]:8080", 200),
        ("https://hub.example.com", 404),
        ("https://hub.example.com:8080/hub", 404),
        ("http://10.0.0.5:8080", 404),
    ],
)
async def test_a_hub_with_a_public_address_has_no_such_door(gateway: Gateway, url: str, status: int) -> None:
    config = replace(gateway.config, public_url=url)
    async with serving(replace(gateway, config=config)) as nobody:
        assert (await nobody.get("/dev/users")).status == status
        assert (await nobody.post("/dev/sign-in", json={"user": "ann"})).status == status


async def test_in_production_there_is_no_such_door(gateway: Gateway) -> None:
    config = replace(gateway.config, dev_secret=None)
    async with serving(replace(gateway, config=config)) as nobody:
        assert (await nobody.post("/dev/sign-in", json={"user": "ann"})).status == 404
        assert (await nobody.get("/dev/users")).status == 404
        assert (await nobody.get("/dev/users", headers={"Accept": "text/html"})).status == 404
