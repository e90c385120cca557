"""Owns who is calling: bearer tokens checked against a shared secret, a public key or a JWKS address."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import TypeAdapter, ValidationError

from schemas.clock import Clock
from schemas.ids import UserId
from schemas.profile import is_zone

LEEWAY = timedelta(seconds=30)
MAX_TOKEN = 8_192
MAX_NAME = 200
MIN_RSA_BITS = 2048
COMMAND_LINE = "hub-cli"
"""As whom the hub's own commands call."""

type_of_user_id = TypeAdapter[str](UserId)

VerifyingKey = bytes | rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class UnauthorizedError(Exception):
    """The token is missing, forged, expired or not for us; the message says which, without the token."""


class IdentityUnavailableError(UnauthorizedError):
    """The keys that would tell could not be fetched; the token may be good, so come back later."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling, as the token says."""

    id: str
    scopes: frozenset[str]
    name: str | None
    tz: str | None
    expires_at: datetime
    token_id: str
    """A hash of the token: what a rate limit is counted by, fit for logs."""

    def may(self, *scopes: str) -> bool:
        """Whether the token has one of the scopes; `admin` has them all."""
        return "admin" in self.scopes or not self.scopes.isdisjoint(scopes)

    def stays_until(self, now: datetime) -> datetime:
        """When one who comes in now must leave: let in within the leeway, they stay until its end.

        Sent away at once, they would only come back.
        """
        return self.expires_at if self.expires_at > now else self.expires_at + LEEWAY


class Keys(Protocol):
    """Where verifying keys come from."""

    async def find(self, token: str) -> tuple[VerifyingKey, list[str]]:
        """The key for a token, and the only algorithms it may be used with. Raises PyJWTError."""


class SharedSecret:
    """HS256 with a secret that the platform and the hub both know."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        if len(self._secret) < 32:
            raise ValueError("the shared secret must have at least 32 bytes")

    async def find(self, token: str) -> tuple[VerifyingKey, list[str]]:
        return self._secret, ["HS256"]


class PublicKey:
    """One public key in PEM; the algorithm follows from the kind of key, never from the token."""

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("not a public key in PEM form (-----BEGIN PUBLIC KEY-----)") from None
        self._key, self._algorithms = usable(key)

    async def find(self, token: str) -> tuple[VerifyingKey, list[str]]:
        return self._key, self._algorithms


def usable(key: object) -> tuple[VerifyingKey, list[str]]:
    """A public key with the algorithms it may be used with; raises ValueError for one that is too weak."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ValueError(f"an RSA key needs at least {MIN_RSA_BITS} bits")
        return key, ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return key, [_CURVES[key.curve.name]]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key, ["EdDSA"]
    raise ValueError("the public key must be RSA, EC (P-256, P-384, P-521) or Ed25519")


_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class Authenticator:
    """Turns a bearer token into a Principal."""

    def __init__(
        self, keys: Keys, clock: Clock, *, issuer: str | None = None, audience: str | None = None
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._options: jwt.types.Options = {
            # The library would read the wall clock; times are checked below against ours.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
            "verify_aud": audience is not None,
            "verify_iss": issuer is not None,
            "verify_jti": False,
            "verify_sub": False,  # checked below, with words that help
            "require": ["exp", "sub"] + ["iss"] * (issuer is not None) + ["aud"] * (audience is not None),
        }

    async def authenticate(self, token: str) -> Principal:
        """Check a token; raises UnauthorizedError saying what is wrong with it."""
        if not token or len(token) > MAX_TOKEN or not token.isascii():
            raise UnauthorizedError("the token is not a JWT")
        claims = await self._verified(token)
        return Principal(
            id=_subject(claims),
            scopes=_scopes(claims),
            name=_name(claims),
            tz=_zone(claims),
            expires_at=self._expiry(claims),
            token_id=hashlib.sha256(token.encode()).hexdigest()[:32],
        )

    async def _verified(self, token: str) -> Mapping[str, object]:
        try:
            key, algorithms = await self._keys.find(token)
            return jwt.decode(
                token,
                key,
                algorithms=algorithms,
                options=self._options,
                issuer=self._issuer,
                audience=self._audience,
            )
        except jwt.MissingRequiredClaimError as error:
            raise UnauthorizedError(f"the token has no `{error.claim}`") from None
        except jwt.InvalidAudienceError:
            raise UnauthorizedError("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise UnauthorizedError("the token is from another issuer") from None
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            # One answer for a broken form, a wrong algorithm and a bad signature: a forger learns nothing.
            raise UnauthorizedError("the token's signature does not hold") from None

    def _expiry(self, claims: Mapping[str, object]) -> datetime:
        now = self._clock.now()
        expires_at = _instant(claims, "exp")
        if expires_at + LEEWAY <= now:
            raise UnauthorizedError("the token has expired")
        if "nbf" in claims and _instant(claims, "nbf") - LEEWAY > now:
            raise UnauthorizedError("the token is not valid yet")
        return expires_at


def issue(
    secret: str,
    sub: str,
    scopes: Iterable[str],
    ttl: timedelta,
    clock: Clock,
    *,
    name: str | None = None,
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Sign a token with the shared secret; for the development sign-in, `hub token` and tests."""
    now = clock.now()
    optional = {"name": name, "iss": issuer, "aud": audience}
    claims: dict[str, object] = {
        "sub": type_of_user_id.validate_python(sub),
        "scope": " ".join(scopes),
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
        **{key: value for key, value in optional.items() if value is not None},
    }
    return jwt.encode(claims, secret.encode(), algorithm="HS256")


def _subject(claims: Mapping[str, object]) -> str:
    try:
        return type_of_user_id.validate_python(claims.get("sub"))
    except ValidationError:
        raise UnauthorizedError("the token's `sub` is not a user id ([A-Za-z0-9_.:-]{1,64})") from None


def _scopes(claims: Mapping[str, object]) -> frozenset[str]:
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise UnauthorizedError("the token's `scope` must be a text with scopes separated by spaces")
    return _split(scope)


@lru_cache(maxsize=256)
def _split(scope: str) -> frozenset[str]:
    """Part a text into its words; kept, because sockets hold theirs for hours and most are the same."""
    return frozenset(scope.split())


def _name(claims: Mapping[str, object]) -> str | None:
    """A name that can be shown; an odd one is no reason to keep its bearer out."""
    name = claims.get("name")
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        return None
    return name.strip()[:MAX_NAME]


def _zone(claims: Mapping[str, object]) -> str | None:
    zone = claims.get("tz")
    return zone if isinstance(zone, str) and is_zone(zone) else None


def _instant(claims: Mapping[str, object], claim: str) -> datetime:
    value = claims.get(claim)
    wrong = UnauthorizedError(f"the token's `{claim}` is not a time in seconds since 1970")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong
    try:
        moment = datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):  # not a number, or a year beyond 9999
        raise wrong from None
    # A day off both ends, so that the leeway can be added.
    return min(max(moment, _EARLIEST), _LATEST)


_EARLIEST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
