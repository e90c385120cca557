"""Owns who allowed what on an address: the one place where consent is given, taken back, or taken for gone.

Whatever says it (a link, the settings, a keyword, a bounce, a complaint, a block) becomes an entry of the
ledger with its source and time. Consent wins over preferences; only a later entry gives it again.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

import orjson

from schemas.clock import Clock
from schemas.db import Connection
from schemas.store.consent import EVERY_TOPIC, ConsentLedger, NewConsent

PURPOSE: Final = b"hub unsubscribe links"
MAC_BYTES: Final = 16


class InvalidLinkError(Exception):
    """The token of an unsubscribe link is not one of ours, or was changed."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What consent speaks of: an address on a channel, and one topic or (`""`) all of them."""

    channel: str
    address: str
    topic: str = EVERY_TOPIC


class Links:
    """Signs what an unsubscribe link stands for: whoever has the mail has the right, without signing in."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._key = self.key(PURPOSE)

    def key(self, purpose: bytes) -> bytes:
        """A key made from the secret for one purpose: what it signs means nothing for another."""
        return hmac.digest(self._secret, purpose, hashlib.sha256)

    def token(self, scope: Scope) -> str:
        said = orjson.dumps([scope.channel, scope.address, scope.topic])
        return f"{_text(said)}.{_text(self._mac(said))}"

    def read(self, token: str) -> Scope:
        """Answer what a token stands for; raises InvalidLinkError."""
        said, _, mac = token.partition(".")
        try:
            content, given = _bytes(said), _bytes(mac)
        except (binascii.Error, UnicodeEncodeError):
            raise InvalidLinkError("the link is not complete") from None
        if not hmac.compare_digest(given, self._mac(content)):
            raise InvalidLinkError("the link is not one of this hub's")
        channel, address, topic = orjson.loads(content)
        return Scope(channel, address, topic)

    def _mac(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, hashlib.sha256)[:MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)


class Consents:
    """Writes the ledger; the transaction is the caller's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ledger = ConsentLedger()

    async def stop(
        self,
        tx: Connection,
        scope: Scope,
        *,
        source: str,
        detail: str | None = None,
        user: str | None = None,
    ) -> None:
        """Nothing more of this may be sent there."""
        await self._add(tx, scope, allowed=False, source=source, detail=detail, user=user)

    async def start(
        self,
        tx: Connection,
        scope: Scope,
        *,
        source: str,
        detail: str | None = None,
        user: str | None = None,
    ) -> None:
        """It may be sent again; consent to everything takes back what was refused topic by topic."""
        await self._add(tx, scope, allowed=True, source=source, detail=detail, user=user)
        if scope.topic == EVERY_TOPIC:
            for topic in sorted(await self.refused(tx, scope.channel, scope.address)):
                one = Scope(scope.channel, scope.address, topic)
                await self._add(tx, one, allowed=True, source=source, detail=detail, user=user)

    async def refused(self, tx: Connection, channel: str, address: str) -> frozenset[str]:
        """Answer the topics that must not be sent there; `""` stands for all."""
        found = await self._ledger.refused(tx, [(channel, address)])
        return found.get((channel, address), frozenset())

    async def is_earned(self, tx: Connection, channel: str, address: str) -> bool:
        """Whether a bounce or a complaint refuses it: a link in an old mail must not allow it again."""
        return await self._ledger.is_earned(tx, channel, address)

    async def _add(
        self,
        tx: Connection,
        scope: Scope,
        *,
        allowed: bool,
        source: str,
        detail: str | None,
        user: str | None,
    ) -> None:
        entry = NewConsent(
            channel=scope.channel,
            address=scope.address,
            topic=scope.topic,
            allowed=allowed,
            source=source,
            detail=detail,
            user_id=user,
        )
        await self._ledger.add(tx, entry, self._clock.now())
