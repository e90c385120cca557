"""Owns what proves an address: six digits or the token of a link, made anew from an id and the secret."""

import base64
import binascii
import hashlib
import hmac
from typing import Final
from uuid import UUID

from routing.consent import InvalidLinkError, Links

DIGITS_FOR: Final = b"hub verification codes"
LINKS_FOR: Final = b"hub verification links"
DIGITS: Final = 6
MAC_BYTES: Final = 16
ID_BYTES: Final = 16


class Proofs:
    """Nothing of it is stored: who has the database but not the secret cannot prove anything."""

    def __init__(self, links: Links) -> None:
        self._digits = links.key(DIGITS_FOR)
        self._links = links.key(LINKS_FOR)

    def digits(self, verification: UUID) -> str:
        """What a message to a phone says."""
        drawn = int.from_bytes(hmac.digest(self._digits, verification.bytes, hashlib.sha256))
        return f"{drawn % 10**DIGITS:0{DIGITS}}"

    def token(self, verification: UUID) -> str:
        """The last part of the link in a mail."""
        said = verification.bytes + self._mac(verification)
        return base64.urlsafe_b64encode(said).rstrip(b"=").decode()

    def read(self, token: str) -> UUID:
        """Answer which verification a link is of; raises InvalidLinkError."""
        try:
            said = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise InvalidLinkError("the link is not complete") from None
        if len(said) != ID_BYTES + MAC_BYTES:
            raise InvalidLinkError("the link is not complete")
        verification = UUID(bytes=said[:ID_BYTES])
        if not hmac.compare_digest(said[ID_BYTES:], self._mac(verification)):
            raise InvalidLinkError("the link is not one of this hub's")
        return verification

    def fits(self, channel: str, verification: UUID, given: str) -> bool:
        """Whether it is the proof of this verification; the time it takes tells nothing."""
        right = self.token(verification) if channel == "email" else self.digits(verification)
        return hmac.compare_digest(right.encode(), given.encode())

    def _mac(self, verification: UUID) -> bytes:
        return hmac.digest(self._links, verification.bytes, hashlib.sha256)[:MAC_BYTES]
