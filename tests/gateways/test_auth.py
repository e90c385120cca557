"""Tokens: whose count, and how forged ones are told."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateways.auth import Authenticator, Principal, PublicKey, SharedSecret, UnauthorizedError, issue

SECRET = "a secret that is long enough for every one of the algorithms of its family"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


CLOCK = FixedClock()
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> str:
    raw: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return raw.decode()


def claims(**others: Any) -> dict[str, Any]:
    return {"sub": "ann", "scope": "user", "exp": int(NOW.timestamp()) + 60, **others}


def signed(key: Any = SECRET, algorithm: str = "HS256", **others: Any) -> str:
    return jwt.encode(claims(**others), key, algorithm=algorithm)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def secret_auth(**options: str) -> Authenticator:
    return Authenticator(SharedSecret(SECRET), CLOCK, **options)


async def test_a_token_says_who_is_calling() -> None:
    token = signed(scope="user publish", name=" Ann ", tz="Europe/Berlin")
    principal = await secret_auth().authenticate(token)
    assert principal == Principal(
        id="ann",
        scopes=frozenset({"user", "publish"}),
        name="Ann",
        tz="Europe/Berlin",
        expires_at=NOW + timedelta(seconds=60),
        token_id=principal.token_id,
    )
    assert token not in principal.token_id
    assert principal.may("publish")
    assert not principal.may("admin")


async def test_an_issued_token_is_good() -> None:
    token = issue(SECRET, "ann", ["user", "admin"], timedelta(hours=1), CLOCK, name="Ann")
    principal = await secret_auth().authenticate(token)
    assert (principal.id, principal.name, principal.expires_at) == ("ann", "Ann", NOW + timedelta(hours=1))
    assert principal.may("publish")


async def test_a_token_without_scope_may_do_nothing() -> None:
    token = jwt.encode({"sub": "ann", "exp": NOW.timestamp() + 1}, SECRET)
    assert (await secret_auth().authenticate(token)).scopes == frozenset()


async def test_an_odd_name_or_zone_is_left_out() -> None:
    for name, tz in (
        (5, 5),
        ("", "Mars/Olympus"),
        ("a\x00b", "../etc/passwd"),
        ("\n", ""),
        ("", "localtime"),
    ):
        principal = await secret_auth().authenticate(signed(name=name, tz=tz))
        assert (principal.name, principal.tz) == (None, None)


async def test_thirty_seconds_of_clock_skew_are_forgiven() -> None:
    now = int(NOW.timestamp())
    assert await secret_auth().authenticate(signed(exp=now - 29))
    assert await secret_auth().authenticate(signed(nbf=now + 29))
    too_far: list[dict[str, Any]] = [{"exp": now - 30}, {"nbf": now + 31}]
    for wrong in too_far:
        with pytest.raises(UnauthorizedError):
            await secret_auth().authenticate(signed(**wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": "9999999999"},
        {"nbf": "soon"},
        {"sub": ""},
        {"sub": "a b"},
        {"sub": "a/b"},
        {"sub": "x" * 65},
        {"sub": "ann\n"},
        {"scope": ["user"]},
        {"scope": 5},
    ],
)
async def test_a_wrong_claim_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError):
        await secret_auth().authenticate(signed(**wrong))


@pytest.mark.parametrize("sub", [5, 5.5, True, ["ann"], {}])
async def test_a_sub_that_is_no_text_is_called_so(sub: object) -> None:
    payload = orjson.dumps(claims(sub=sub))
    token = jwt.PyJWS().encode(payload, SECRET, algorithm="HS256")
    with pytest.raises(UnauthorizedError, match="`sub` is not a user id"):
        await secret_auth().authenticate(token)


@pytest.mark.parametrize("missing", ["sub", "exp"])
async def test_a_missing_claim_is_named(missing: str) -> None:
    kept = {name: value for name, value in claims().items() if name != missing}
    with pytest.raises(UnauthorizedError, match=f"`{missing}`"):
        await secret_auth().authenticate(jwt.encode(kept, SECRET))


async def test_an_expiry_beyond_all_calendars_is_far_away_and_no_crash() -> None:
    with pytest.raises(UnauthorizedError):
        await secret_auth().authenticate(signed(exp=10**30))
    with pytest.raises(UnauthorizedError):
        await secret_auth().authenticate(signed(exp=-(10**30)))
    assert (await secret_auth().authenticate(signed(exp=253402300799))).expires_at.year == 9999


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        "...",
        "é.é.é",
        "x" * 10_000,
        part({"alg": "none"}) + "." + part(claims()) + ".",
        part({"alg": "None"}) + "." + part(claims()) + ".",
        part({"alg": "HS256"}) + "." + part(claims()) + ".",
        part({"alg": "HS256", "kid": 5}) + "." + part(claims()) + ".AAAA",
        part([]) + "." + part(claims()) + ".AAAA",
        part({"alg": "HS256"}) + "." + part([]) + ".AAAA",
        jwt.encode(claims(), "", algorithm="none"),
        jwt.encode(claims(), SECRET, algorithm="HS512"),
        jwt.encode(claims(), SECRET + "!", algorithm="HS256"),
        signed()[:-2],
        ".".join([signed().split(".")[0], part(claims(scope="admin")), signed().split(".")[2]]),
    ],
)
async def test_a_forged_token_is_refused(token: str) -> None:
    with pytest.raises(UnauthorizedError):
        await secret_auth().authenticate(token)


async def test_issuer_and_audience_count_when_they_are_set() -> None:
    auth = secret_auth(issuer="https://id.example.com", audience="hub")
    assert await auth.authenticate(signed(iss="https://id.example.com", aud="hub"))
    assert await auth.authenticate(signed(iss="https://id.example.com", aud=["other", "hub"]))
    for wrong in (
        {},
        {"iss": "https://id.example.com"},
        {"aud": "hub"},
        {"iss": "https://evil.example.com", "aud": "hub"},
        {"iss": "https://id.example.com", "aud": "other"},
    ):
        with pytest.raises(UnauthorizedError):
            await auth.authenticate(signed(**wrong))
    assert await secret_auth().authenticate(signed(iss="anyone", aud="anything"))


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (RSA_KEY, "PS256"), (EC_KEY, "ES256"), (ED_KEY, "EdDSA")]
)
async def test_a_public_key_checks_what_its_private_key_signed(key: Any, algorithm: str) -> None:
    auth = Authenticator(PublicKey(pem(key)), CLOCK)
    assert (await auth.authenticate(signed(key, algorithm))).id == "ann"


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY, ED_KEY])
async def test_a_public_key_is_never_used_as_a_secret(key: Any) -> None:
    auth = Authenticator(PublicKey(pem(key)), CLOCK)
    header, body = part({"alg": "HS256", "typ": "JWT"}), part(claims(scope="admin"))
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        f"{header}.{body}".encode(), pem(key).encode()
    )
    signature = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(f"{header}.{body}.{signature}")
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(jwt.encode(claims(), "", algorithm="none"))


async def test_another_key_of_the_same_kind_does_not_count() -> None:
    auth = Authenticator(PublicKey(pem(EC_KEY)), CLOCK)
    with pytest.raises(UnauthorizedError):
        await auth.authenticate(signed(ec.generate_private_key(ec.SECP256R1()), "ES256"))


def test_a_key_that_cannot_be_used_is_refused_at_once() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  is refused
    private = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    brainpool = ec.generate_private_key(ec.BrainpoolP256R1())
    for text in ("", "nonsense", private, pem(weak), pem(brainpool)):
        with pytest.raises(ValueError, match="key"):
            PublicKey(text)
    with pytest.raises(ValueError, match="32 bytes"):
        SharedSecret("short")
