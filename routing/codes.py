"""Owns what the message says that lets somebody prove an address: told anew just before it is sent."""

from collections.abc import Sequence
from typing import Final, cast
from uuid import UUID

from routing.consent import Links
from routing.members import ChannelKind
from routing.model import Code
from routing.proofs import Proofs
from schemas.clock import Clock
from schemas.db import Source
from schemas.store.verifications import Verification, Verifications

PAGE: Final = "/verify/"


class Codes:
    """Codes exist here and in the message, and nowhere else."""

    def __init__(self, links: Links, public_url: str, clock: Clock) -> None:
        self._proofs = Proofs(links)
        self._url = public_url.rstrip("/")
        self._clock = clock
        self._verifications = Verifications()

    async def load(self, source: Source, ids: Sequence[UUID]) -> dict[UUID, Code]:
        """Answer the codes that may still be said: of endpoints that wait, and the last one asked for."""
        found = await self._verifications.wanted(source, ids, self._clock.now())
        return {one.id: self._code(one) for one in found}

    def _code(self, one: Verification) -> Code:
        by_link = one.channel == "email"
        said = self._url + PAGE + self._proofs.token(one.id) if by_link else self._proofs.digits(one.id)
        channel = cast("ChannelKind", one.channel)
        return Code(id=one.id, channel=channel, said=said, expires_at=one.expires_at)
