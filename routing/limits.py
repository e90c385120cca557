"""Owns how fast a provider is called: one bucket of tokens for all processes, filled as the provider said."""

from typing import Final

from routing.channels.base import Pace
from schemas.db import Source
from schemas.store.providers import Providers

LONGEST_S: Final = 1.0


class Limits:
    """Takes a token for each call. The rate follows what the provider's last answer told."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._providers = Providers()

    async def take(self, source: Source, pace: Pace) -> float:
        """Answer 0 if a call may be made now, else after how many seconds to ask again."""
        granted = await self._providers.take(
            source, self._provider, rate=pace.rate, burst=max(1.0, pace.rate)
        )
        return 0.0 if granted else min(LONGEST_S, 1 / pace.rate)

    async def give_back(self, source: Source) -> None:
        """A token that was taken for nothing."""
        await self._providers.give_back(source, self._provider)

    async def heed(self, source: Source, pace: Pace) -> None:
        """If the provider said that nothing is left, nobody calls until it counts anew."""
        if pace.left == 0:
            await self._providers.drain(source, self._provider, pace.reset_s)
