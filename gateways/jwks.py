"""Owns verifying keys that are published at an address (JWKS), fetched when needed and cached."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import aiohttp
import jwt
import orjson
import structlog

from gateways.auth import IdentityUnavailableError, UnauthorizedError, VerifyingKey, usable

MAX_BYTES = 1_000_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A key of the set, and the only algorithms it may be used with."""

    kid: str | None
    key: VerifyingKey
    algorithms: tuple[str, ...]


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
        self._keys: list[PublishedKey] = []
        self._asked_at: float | None = None
        self._reached = False
        self._lock = asyncio.Lock()

    async def find(self, token: str) -> tuple[VerifyingKey, list[str]]:
        header = jwt.get_unverified_header(token)
        if self._older_than(self._max_age) or self._lookup(header) is None:
            await self._refresh(header)
        found = self._lookup(header)
        if found is not None:
            return found.key, list(found.algorithms)
        if not self._reached:
            raise IdentityUnavailableError("the keys of the identity provider cannot be fetched")
        raise UnauthorizedError("the token is signed with an unknown key")

    def _lookup(self, header: Mapping[str, object]) -> PublishedKey | None:
        """The one key the token can mean: RFC 7517 lets keys go unnamed, in the token and in the set."""
        kid = header.get("kid")
        meant = [one for one in self._keys if kid is None or one.kid == kid]
        if len(meant) > 1:
            meant = [one for one in meant if header.get("alg") in one.algorithms]
        return meant[0] if len(meant) == 1 else None

    def _older_than(self, seconds: float) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= seconds

    async def _refresh(self, header: Mapping[str, object]) -> None:
        async with self._lock:
            if not self._older_than(self._min_interval):
                return
            if self._lookup(header) is not None and not self._older_than(self._max_age):
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


def _usable_keys(document: object) -> list[PublishedKey]:
    """The public signature keys of a set; one we cannot use is no reason to do without the others."""
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the answer is not a key set: it has no list `keys`")  # noqa: TRY004  # bad content
    found: list[PublishedKey] = []
    for entry in entries:
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            found.append(_published(entry))
        except (jwt.PyJWTError, NotImplementedError, ValueError, TypeError) as error:
            # The type alone: a message may quote the entry, and with it a key that is none of our business.
            log.warning("jwks_key_unusable", error=type(error).__name__)
    return found


def _published(entry: dict[str, object]) -> PublishedKey:
    """Symmetric keys, private ones and weak ones have no business in a set; raises for those."""
    key = jwt.PyJWK(entry)
    verifying, algorithms = usable(key.key)
    if key.algorithm_name not in algorithms:
        raise ValueError("the key does not fit its algorithm")
    return PublishedKey(kid=key.key_id, key=verifying, algorithms=(key.algorithm_name,))
