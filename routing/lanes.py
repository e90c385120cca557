"""Owns one lane of sending: what is due goes to the first provider of its channel that may be called."""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from routing.ways import HANDED_ON, LaneParts, Way
from schemas.store.deliveries import Deliveries
from schemas.store.providers import Gate

SHUT_S: Final = 1.0
MISSED_S: Final = 0.05


class Lane:
    """Sends one set after the other; several run side by side, here and in other processes."""

    def __init__(self, ways: Sequence[Way], parts: LaneParts) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.ending = False
        self.kind = ways[0].channel.kind
        self._more = False
        """The last set was as large as sets may be, so more is due most likely."""
        for n, way in enumerate(ways, start=1):
            way.is_followed = n < len(ways)
            way.at_once = HANDED_ON if len(ways) > 1 else 0
        self._ways = ways
        self._parts = parts
        self._deliveries = Deliveries()

    @property
    def held(self) -> list[UUID]:
        return [one for way in self._ways for one in way.held]

    @property
    def batches(self) -> list[UUID]:
        return [way.batch for way in self._ways if way.batch]

    def end(self) -> None:
        """Begin no other call."""
        self.ending = True
        for way in self._ways:
            way.ending = True

    async def due(self) -> bool:
        if self._more or await self._due_for(self._ways):
            return True
        return any([await way.owes() for way in self._ways])

    async def turn(self) -> None:
        """Send what is due, as soon as a provider may be called."""
        found = await self._allowed()
        if found is None:
            self._more = False
            await asyncio.sleep(SHUT_S)
            return
        way, gate, tokens = found
        if await self._work(way, gate, tokens):
            return
        # Somebody else was quicker; or what is due must wait for a provider that is not to be called.
        bound = await self._due_for(self._ways) and not await self._due_for([way])
        await asyncio.sleep(SHUT_S if bound else MISSED_S)

    async def _work(self, way: Way, gate: Gate, tokens: int) -> bool:
        called = False
        self.idle.clear()
        try:
            called = not way.ending and await way.work(gate, tokens)
        finally:
            self._more = called and way.full
            way.held, way.batch = (), None
            self.idle.set()
            if gate.probe and not called:  # also when it failed: nobody else would try for a minute
                await way.breaker.give_back(self._parts.pool)
        return called

    async def _due_for(self, ways: Sequence[Way]) -> bool:
        providers = [way.channel.provider for way in ways]
        now = self._parts.clock.now()
        return await self._deliveries.due(self._parts.pool, self.kind, now, providers=providers)

    async def _admitted(self) -> tuple[Way, Gate] | None:
        """The first provider that may be called; one at which something must be repeated goes first."""
        owing = [way for way in self._ways if await way.owes()] if len(self._ways) > 1 else []
        for way in dict.fromkeys((*owing, *self._ways)):
            gate = await way.breaker.admit(self._parts.pool, self._parts.clock.now())
            if gate.open:
                return way, gate
        return None

    async def _allowed(self) -> tuple[Way, Gate, int] | None:
        """Wait until calls may be made; whoever waited looks at the gates again."""
        while not self.ending and (found := await self._admitted()):
            way, gate = found
            if tokens := await self._tokens(way, gate):
                return way, gate, tokens
            await asyncio.sleep(way.wait_s())
        return None

    async def _tokens(self, way: Way, gate: Gate) -> int:
        """Take what calls may be made now; who gets none, or fails, does not stay the probe."""
        tokens = 0
        try:
            tokens = await way.tokens(gate)
        finally:
            if gate.probe and not tokens:
                await way.breaker.give_back(self._parts.pool)
        return tokens
