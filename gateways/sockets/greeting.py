"""Owns finding out whether the bearer of a token may come in: known, new, or suspended."""

import asyncio
from collections.abc import Mapping
from typing import Final

from gateways.auth import Principal
from gateways.sockets.batching import Batcher
from schemas.db import Pool
from schemas.store.users import Bearer, Users

AT_A_TIME: Final = 200
FRESH_S: Final = 60.0
"""How long a welcome holds; a suspension ends it at once, because every gateway hears of it."""
MOST_FRESH: Final = 100_000


class Greeter:
    """Asks the database, once for all who come together, and not again for those who were just here."""

    def __init__(self, pool: Pool, users: Users) -> None:
        self._pool = pool
        self._users = users
        self._asked: Batcher[Bearer, None, bool] = Batcher(self._ask, name="greeting", most=AT_A_TIME)
        self._welcome: dict[str, tuple[float, Bearer]] = {}
        self._suspensions = 0

    async def welcomes(self, principal: Principal) -> bool:
        """Make the bearer exist; False when the user is suspended. Raises RETRYABLE errors."""
        now = asyncio.get_running_loop().time()
        bearer = (principal.id, principal.name, principal.tz)
        until, known = self._welcome.get(principal.id, (0.0, None))
        if until > now and known == bearer:
            return True
        before = self._suspensions
        welcome = bool(await self._asked.ask(bearer, None))
        if welcome and before == self._suspensions:  # else the answer may be from before it
            if len(self._welcome) >= MOST_FRESH:
                self._welcome.clear()
            self._welcome[principal.id] = (now + FRESH_S, bearer)
        return welcome

    def suspended(self, user: str) -> None:
        """Hear that a user was suspended."""
        self._welcome.pop(user, None)
        self._suspensions += 1

    def forget(self) -> None:
        """Take nobody's welcome for granted any more."""
        self._welcome.clear()
        self._suspensions += 1

    async def _ask(self, bearers: Mapping[Bearer, None]) -> Mapping[Bearer, bool]:
        async with self._pool.acquire() as conn:
            known = await self._users.get_many(conn, [user for user, _, _ in bearers])
            if new := [bearer for bearer in bearers if bearer[0] not in known]:
                known |= await self._users.create_many(conn, new)
            answers: dict[Bearer, bool] = {}
            for user, name, tz in bearers:
                found = known.get(user)
                if found is None or (found.is_bare and (name or tz)):
                    found = await self._users.greet(conn, user, name=name, tz=tz)
                answers[user, name, tz] = found.suspended_at is None
        return answers
