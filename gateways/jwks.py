"""Owns verifying keys that are published at an address (JWKS), fetched when needed and cached."""

import asyncio
import time
from collections.abc import Callable, Mapping

import aiohttp
import jwt
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gateways.auth import IdentityUnavailableError, UnauthorizedError, VerifyingKey

MAX_BYTES = 1_000_000

log = structlog.get_logger(__name__)


class JwksKeys:
    """The keys behind a JWKS address.

    Fetched when a token names an unknown key, at most once in `min_interval` seconds however many such
    tokens come, and again after `max_age`, so that a withdrawn key stops working. When the address does
    not answer, the keys known so far go on working.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        timeout: float = 5.0,
        min_interval: float = 10.0,
        max_age: float = 900.0,
    ) -> None:
        self._url = url
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._min_interval = min_interval
        self._max_age = max_age
        self._keys: dict[str | None, tuple[VerifyingKey, list[str]]] = {}
        self._asked_at: float | None = None
        self._reached = False
        self._lock = asyncio.Lock()

    async def find(self, header: Mapping[str, object]) -> tuple[VerifyingKey, list[str]]:
        kid = header.get("kid")
        if self._older_than(self._max_age) or self._lookup(kid) is None:
            await self._refresh(kid)
        found = self._lookup(kid)
        if found is not None:
            return found
        if not self._reached:
            raise IdentityUnavailableError("the keys of the identity provider cannot be fetched")
        raise UnauthorizedError("the token is signed with an unknown key")

    def _lookup(self, kid: object) -> tuple[VerifyingKey, list[str]] | None:
        if isinstance(kid, str):
            return self._keys.get(kid)
        # RFC 7517 lets a lone key go unnamed, in the token and in the set.
        return next(iter(self._keys.values())) if kid is None and len(self._keys) == 1 else None

    def _older_than(self, seconds: float) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= seconds

    async def _refresh(self, kid: object) -> None:
        async with self._lock:
            if not self._older_than(self._min_interval):
                return
            if self._lookup(kid) is not None and not self._older_than(self._max_age):
                return
            self._asked_at = self._clock()
            try:
                self._keys = _usable_keys(await self._fetch())
                self._reached = True
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                self._reached = False
                log.warning("jwks_fetch_failed", url=self._url, error=str(error) or type(error).__name__)

    async def _fetch(self) -> object:
        async with (
            aiohttp.ClientSession(timeout=self._timeout) as session,
            session.get(self._url, headers={"Accept": "application/json"}) as response,
        ):
            response.raise_for_status()
            body = await response.content.read(MAX_BYTES + 1)
            while not response.content.at_eof() and len(body) <= MAX_BYTES:
                body += await response.content.read(MAX_BYTES + 1 - len(body))
        if len(body) > MAX_BYTES:
            raise ValueError(f"the key set is larger than {MAX_BYTES} bytes")
        return orjson.loads(body)


def _usable_keys(document: object) -> dict[str | None, tuple[VerifyingKey, list[str]]]:
    """The public signature keys of a set; symmetric and encryption keys have no business in it."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a key set: it has no list `keys`")  # noqa: TRY004  # bad content
    usable: dict[str | None, tuple[VerifyingKey, list[str]]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except jwt.PyJWTError:
            continue
        if isinstance(key.key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            usable[key.key_id] = key.key, [key.algorithm_name]
    return usable
