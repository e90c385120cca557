"""Keys behind a JWKS address: fetched when needed, not more often, and never a symmetric one."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateways.auth import Authenticator, IdentityUnavailableError, UnauthorizedError
from gateways.jwks import JwksKeys
from schemas.clock import SystemClock

FAR = int(datetime(2099, 1, 1, tzinfo=UTC).timestamp())
KEYS = {"old": ec.generate_private_key(ec.SECP256R1()), "new": ec.generate_private_key(ec.SECP256R1())}
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Provider:
    """An identity provider whose keys, health and clock a test sets."""

    def __init__(self) -> None:
        self.document: Any = {"keys": [jwk("old")]}
        self.status = 200
        self.asked = 0
        self.now = 1000.0
        self.url = ""

    async def serve(self, _request: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.document, status=self.status)

    def clock(self) -> float:
        return self.now

    def auth(self, **options: float) -> Authenticator:
        return Authenticator(JwksKeys(self.url, self.clock, **options), SystemClock())


def jwk(kid: str, **others: Any) -> dict[str, Any]:
    public = jwt.algorithms.ECAlgorithm.to_jwk(KEYS[kid].public_key(), as_dict=True)
    return {**public, "kid": kid, "use": "sig", **others}


def signed(kid: str, key: Any = None, algorithm: str = "ES256") -> str:
    claims = {"sub": "ann", "exp": FAR}
    return jwt.encode(claims, key or KEYS[kid], algorithm=algorithm, headers={"kid": kid})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    app = web.Application()
    app.router.add_get("/jwks", made.serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks"
    yield made
    await runner.cleanup()


async def test_keys_are_fetched_once(provider: Provider) -> None:
    auth = provider.auth()
    for _ in range(5):
        assert (await auth.authenticate(signed("old"))).id == "ann"
    assert provider.asked == 1


async def test_an_unknown_key_asks_again_but_at_most_every_ten_seconds(provider: Provider) -> None:
    auth = provider.auth()
    await auth.authenticate(signed("old"))
    provider.document = {"keys": [jwk("old"), jwk("new")]}
    for _ in range(5):
        with pytest.raises(UnauthorizedError):
            await auth.authenticate(signed("new"))
    assert provider.asked == 1
    provider.now += 10
    assert await auth.authenticate(signed("new"))
    assert provider.asked == 2
    for _ in range(5):
        with pytest.raises(UnauthorizedError):
            await auth.authenticate(signed("nobody's", KEYS["old"]))
    assert provider.asked == 2


async def test_a_withdrawn_key_stops_counting(provider: Provider) -> None:
    auth = provider.auth(max_age=60)
    await auth.authenticate(signed("old"))
    provider.document = {"keys": [jwk("new")]}
    provider.now += 60
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(signed("old"))


async def test_known_keys_go_on_working_while_the_provider_is_down(provider: Provider) -> None:
    auth = provider.auth(max_age=60)
    await auth.authenticate(signed("old"))
    provider.status = 500
    provider.now += 60
    assert await auth.authenticate(signed("old"))
    with pytest.raises(IdentityUnavailableError):
        await auth.authenticate(signed("new"))


async def test_without_any_keys_the_answer_is_later_not_no(provider: Provider) -> None:
    provider.status = 503
    with pytest.raises(IdentityUnavailableError):
        await provider.auth().authenticate(signed("old"))
    unreachable = Authenticator(JwksKeys("http://127.0.0.1:9/jwks", provider.clock), SystemClock())
    with pytest.raises(IdentityUnavailableError):
        await unreachable.authenticate(signed("old"))


@pytest.mark.parametrize("document", [[], {}, {"keys": 5}, "keys", {"keys": [5, {}, {"kty": "EC"}]}])
async def test_an_odd_document_has_no_keys(provider: Provider, document: Any) -> None:
    provider.document = document
    with pytest.raises(UnauthorizedError):
        await provider.auth().authenticate(signed("old"))


async def test_a_lone_key_need_not_be_named(provider: Provider) -> None:
    provider.document = {"keys": [{name: value for name, value in jwk("old").items() if name != "kid"}]}
    token = jwt.encode({"sub": "ann", "exp": FAR}, KEYS["old"], algorithm="ES256")
    assert await provider.auth().authenticate(token)


async def test_symmetric_and_encryption_keys_are_not_taken(provider: Provider) -> None:
    secret = "a secret of thirty-two bytes, or more"
    octets = jwt.algorithms.HMACAlgorithm.to_jwk(secret, as_dict=True)
    provider.document = {"keys": [{**octets, "kid": "shared"}, jwk("old", use="enc")]}
    auth = provider.auth()
    for token in (signed("shared", secret, "HS256"), signed("old")):
        with pytest.raises(UnauthorizedError):
            await auth.authenticate(token)


async def test_the_algorithm_is_the_keys_not_the_tokens(provider: Provider) -> None:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
    provider.document = {"keys": [{**public, "kid": "rsa", "alg": "RS256"}]}
    auth = provider.auth()
    assert await auth.authenticate(signed("rsa", RSA_KEY, "RS256"))
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(signed("rsa", RSA_KEY, "PS256"))


@pytest.mark.parametrize(
    "odd",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "RS256"},
        {"alg": ["ES256"]},
        {"alg": 5},
        {"crv": "secp256k1"},
        {"x": 5},
        {"x": "é"},
        {"kty": []},
    ],
)
async def test_an_unusable_key_does_not_cost_the_others(provider: Provider, odd: dict[str, Any]) -> None:
    provider.document = {"keys": [jwk("new", **odd), jwk("old")]}
    auth = provider.auth()
    assert await auth.authenticate(signed("old"))
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(signed("new"))


async def test_a_short_rsa_key_does_not_count(provider: Provider) -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  that is the point
    public = jwt.algorithms.RSAAlgorithm.to_jwk(short.public_key(), as_dict=True)
    provider.document = {"keys": [{**public, "kid": "short"}]}
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed("short", short, "RS256")
    with pytest.raises(UnauthorizedError, match="unknown key"):
        await provider.auth().authenticate(token)


async def test_several_unnamed_keys_are_told_apart_by_their_algorithm(provider: Provider) -> None:
    public = jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)
    unnamed = {name: value for name, value in jwk("old").items() if name != "kid"}
    provider.document = {"keys": [unnamed, public]}
    auth = provider.auth()
    claims = {"sub": "ann", "exp": FAR}
    assert await auth.authenticate(jwt.encode(claims, KEYS["old"], algorithm="ES256"))
    assert await auth.authenticate(jwt.encode(claims, RSA_KEY, algorithm="RS256"))
    other = {name: value for name, value in jwk("new").items() if name != "kid"}
    provider.document = {"keys": [unnamed, other]}
    with pytest.raises(UnauthorizedError, match="unknown key"):  # it could be either
        await provider.auth().authenticate(jwt.encode(claims, KEYS["old"], algorithm="ES256"))
