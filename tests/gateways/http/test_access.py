"""Who may call what, and how often."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateways.auth import Authenticator, SharedSecret
from gateways.gateway import Gateway
from gateways.http.routes import PUBLIC, RESOURCES
from gateways.jwks import JwksKeys
from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.store.users import Users
from tests.gateways.http.conftest import WithLimits
from tests.gateways.http.served import Caller, liked, serving, token_of

ASKING = [(route.method, route.path.replace("{id}", "x"), route.scopes) for route in PUBLIC if route.scopes]


async def test_everything_but_health_documents_links_and_webhooks_asks_for_a_token(nobody: Caller) -> None:
    assert {route.path for route in PUBLIC if not route.scopes} == {
        "/health/live",
        "/health/ready",
        "/metrics",
        "/v1/openapi.json",
        "/v1/asyncapi.json",
        "/u/{token}",
        "/verify/{token}",
        "/webhooks/resend",
        "/webhooks/telegram",
        "/webhooks/twilio",
    }
    for method, path, _ in ASKING:
        answered = await nobody.call(method, path)
        assert (answered.status, answered.json["code"]) == (401, "unauthorized"), path
        assert answered.headers["WWW-Authenticate"] == 'Bearer realm="hub"'


async def test_a_bad_token_is_401_and_told_why(nobody: Caller) -> None:
    expired = token_of("ann", "user", ttl=timedelta(hours=-1))
    forged = token_of("ann", "admin", secret="another secret of thirty-two bytes")
    for token in (expired, forged, "nonsense", "é"):
        answered = await nobody.using(token).get("/v1/me")
        assert (answered.status, answered.json["code"]) == (401, "unauthorized")
        assert 'error="invalid_token"' in answered.headers["WWW-Authenticate"]
        assert token not in answered.body.decode()
    for header in ("Basic YTpi", "Bearer", "Bearer  ", token_of("ann")):
        answered = await nobody.get("/v1/me", headers={"Authorization": header})
        assert answered.status == 401
    assert (await nobody.get("/v1/me", headers={"Authorization": f"bearer {token_of('ann')}"})).status == 200


async def test_a_token_in_the_address_does_not_count(nobody: Caller) -> None:
    assert (await nobody.get(f"/v1/me?access_token={token_of('ann')}")).status == 401


async def test_a_token_without_the_scope_is_403_and_told_which(nobody: Caller) -> None:
    for method, path, scopes in ASKING:
        answered = await nobody.being("ann", "other").call(method, path)
        assert (answered.status, answered.json["code"]) == (403, "forbidden"), path
        assert f'scope="{scopes[0]}"' in answered.headers["WWW-Authenticate"]


async def test_a_service_may_read_traces_and_users_but_not_the_log(service: Caller) -> None:
    assert (await service.get("/v1/events")).status == 403
    assert (await service.get("/v1/events/tail")).status == 403
    assert (await service.get("/v1/me")).status == 403
    assert (await service.get(f"/v1/events/{'0' * 8}-0000-7000-8000-{'0' * 12}/trace")).status == 404
    assert (await service.get("/v1/users/bob")).status == 404


async def test_an_admin_may_do_everything(admin: Caller) -> None:
    assert (await admin.publish(liked())).status == 202
    for path in ("/v1/events", "/v1/me", "/v1/users/ann"):
        assert (await admin.get(path)).status == 200, path


async def test_the_bearer_of_a_token_comes_to_exist_with_what_it_tells(nobody: Caller, pool: Pool) -> None:
    await nobody.being("ann", "user").publish(liked())  # refused, but seen
    assert await pool.fetchval("SELECT count(*) FROM users") == 0
    assert (await nobody.being("ann", "user").get("/v1/me")).status == 200
    assert await pool.fetchval("SELECT id FROM users") == "ann"


@pytest.mark.parametrize("scope", ["publish", "admin"])
async def test_a_service_comes_to_exist_as_well(nobody: Caller, pool: Pool, scope: str) -> None:
    assert (await nobody.being("shop", scope).get("/v1/users/nobody")).status == 404
    assert await pool.fetchval("SELECT id FROM users") == "shop"


async def test_figures_are_for_later(nobody: Caller) -> None:
    for caller in (nobody, nobody.being("root", "admin")):
        for path in ("/v1/stats/events", "/v1/stats/anything"):
            answered = await caller.get(path)
            assert (answered.status, answered.json["code"]) == (404, "not_found")


async def test_a_suspended_user_is_kept_out_of_everything(nobody: Caller, pool: Pool) -> None:
    await Users().suspend(pool, "eve")
    eve = nobody.being("eve", "user", "publish", "admin")
    for method, path, _ in ASKING:
        answered = await eve.call(method, path)
        assert (answered.status, answered.json["code"]) == (403, "forbidden"), path
    assert (await eve.get("/health/live")).status == 200
    await Users().resume(pool, "eve")
    assert (await eve.get("/v1/me")).status == 200


async def test_users_and_services_have_their_own_rates(limited: WithLimits) -> None:
    small = limited(user_rate=0.5, user_burst=2, service_rate=0.5, service_burst=4)
    async with serving(small) as nobody:
        ann, shop = nobody.being("ann", "user"), nobody.being("shop", "publish")
        assert [(await ann.get("/v1/me")).status for _ in range(3)] == [200, 200, 429]
        assert [(await shop.get("/v1/users/x")).status for _ in range(5)] == [404, 404, 404, 404, 429]
        assert (await ann.get("/v1/me")).headers["Retry-After"] == "2"
        # Another token of the same user shares the user's rate; another user does not.
        assert (await nobody.being("ann", "user", "more").get("/v1/me")).status == 429
        assert (await nobody.being("bob", "user").get("/v1/me")).status == 200
        assert (await shop.publish(liked())).status == 202


async def test_when_the_keys_cannot_be_fetched_the_answer_is_later(gateway: Gateway) -> None:
    keys = JwksKeys("http://127.0.0.1:9/jwks")
    async with serving(replace(gateway, auth=Authenticator(keys, SystemClock()))) as nobody:
        answered = await nobody.being("ann").get("/v1/me")
        assert (answered.status, answered.headers["Retry-After"]) == (503, "10")


async def test_issuer_and_audience_are_checked(gateway: Gateway) -> None:
    auth = Authenticator(SharedSecret("x" * 32), SystemClock(), issuer="https://id.example.com")
    async with serving(replace(gateway, auth=auth)) as nobody:
        answered = await nobody.using(token_of("ann", secret="x" * 32)).get("/v1/me")
        assert (answered.status, "iss" in answered.json["detail"]) == (401, True)


@pytest.mark.parametrize("route", RESOURCES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_declares_what_it_answers(route: object) -> None:
    assert getattr(route, "replies", None)
    assert getattr(route, "summary", None)
