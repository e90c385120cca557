"""Owns how fast a provider is called: one bucket of tokens for all processes, filled as the provider said."""

from typing import Final

from routing.channels.base import Pace
from schemas.db import Source
from schemas.store.providers import Providers

LONGEST_S: Final = 1.0
SHORTEST_S: Final = 0.02
LONGEST_DRY_S: Final = 60.0  # whatever a provider says: it would be on record, for all processes


class Limits:
    """Takes a token for each call. The rate follows what the provider's last answer told."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._providers = Providers()

    async def take(self, source: Source, pace: Pace, most: int = 1) -> int:
        """Answer how many calls may be made now, up to so many."""
        return await self._providers.take(
            source, self._provider, rate=pace.rate, burst=max(1.0, pace.rate), most=most
        )

    def wait_s(self, pace: Pace) -> float:
        """After how many seconds to ask again when none may be."""
        return min(LONGEST_S, max(SHORTEST_S, 1 / pace.rate))

    async def give_back(self, source: Source, count: int = 1) -> None:
        """Tokens that were taken for nothing."""
        await self._providers.give_back(source, self._provider, count)

    async def heed(self, source: Source, pace: Pace) -> None:
        """If the provider said that nothing is left, nobody calls until it counts anew."""
        if pace.left == 0:
            for_s = min(LONGEST_DRY_S, max(0.0, pace.reset_s))
            await self._providers.drain(source, self._provider, for_s)
