"""Owns the walks through audiences: each chunk is told in one transaction with how far the walk has come.

A walk survives its walker: whoever takes it over goes on after the last chunk that was committed. It begins
once the group `audiences` has handled what was published before the event, so that whoever followed first is
told. Memory stays that of one chunk, and other events are not held up: walks run beside the groups.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import Final

import structlog

from bus.outbox import Outbox
from bus.retry import Retry
from bus.seldom import Seldom
from bus.tasks import forever
from routing import audiences
from routing.catalog import CATALOG, Audience, Everyone, said
from routing.courtesy import Courtesy
from routing.languages import told_apart
from routing.model import Notification
from routing.people import People
from routing.telling import Teller
from schemas.clock import Clock
from schemas.db import RETRYABLE, Connection, Pool
from schemas.store.audiences import Audiences
from schemas.store.walks import Walk, Walks

log = structlog.get_logger(__name__)

CHUNK: Final = 300
LEASE: Final = timedelta(seconds=15)
PACE_S: Final = 0.003  # between chunks: others in this process have their turn
GIVE_WAY_S: Final = 0.05
SLICE_S: Final = 2.0  # then another walk has its turn
POLL_S: Final = 0.25
EAGER_S: Final = 0.02
EAGER_LOOKS: Final = 20  # what was queued just now is committed soon
PATIENCE: Final = timedelta(seconds=10)
SOON: Final = timedelta(milliseconds=50)


class LostWalkError(Exception):
    """Another walker has taken the walk over; what was done in this transaction must not be committed."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a walk tells in each language, whose doing it is, and through whom it goes."""

    say: Callable[[str], Notification]
    actor: str | None
    recipients: Audience | Everyone
    target: str


class Walker:
    """One of any number of walkers, here or on other machines; `name` is unique among all."""

    def __init__(
        self,
        pool: Pool,
        outbox: Outbox,
        teller: Teller,
        people: People,
        clock: Clock,
        *,
        name: str,
        chunk: int = CHUNK,
        lease: timedelta = LEASE,
        retry: Retry | None = None,
        courtesy: Courtesy | None = None,
    ) -> None:
        self._pool = pool
        self._outbox = outbox
        self._teller = teller
        self._people = people
        self._clock = clock
        self._name = name
        self._chunk = chunk
        self._lease = lease
        self._retry = retry or Retry()
        self._courtesy = courtesy or Courtesy()
        self._audiences = Audiences()
        self._walks = Walks()
        self._woken = asyncio.Event()
        self._eager = 0
        self._say_waits = Seldom(log)

    def wake(self) -> None:
        """Say that a walk is queued, or will be in a moment."""
        self._eager = EAGER_LOOKS
        self._woken.set()

    async def run(self) -> None:
        """Walk for ever; run it as a background task."""
        await forever(self._look, name="walker", pause_s=0)

    async def _look(self) -> None:
        self._woken.clear()
        try:
            went_on = await self.step()
        except Exception:
            await asyncio.sleep(POLL_S)  # the database is away, perhaps: asking without a pause does not help
            raise
        if went_on:
            return
        if self._eager:
            self._eager -= 1
            await asyncio.sleep(EAGER_S)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._woken.wait()

    async def step(self) -> bool:
        """Take a walk and go on with it for a while; False when there was none that could go on."""
        walk = await self._walks.claim(self._pool, self._name, self._lease)
        if walk is None:
            return False
        try:
            return await self._go_on(walk)
        except LostWalkError:
            log.info("a walk went to another walker", event_id=str(walk.event_id), step=walk.step)
        except RETRYABLE:
            with contextlib.suppress(*RETRYABLE):  # else the lease runs out
                await self._walks.release(self._pool, walk, self._name, SOON)
            raise
        except Exception as error:
            log.exception("a walk failed", event_id=str(walk.event_id), step=walk.step)
            await self._fail(walk, error)
        return True

    async def _go_on(self, walk: Walk) -> bool:
        route = await self._route(walk)
        if route is None:
            await self._walks.fail(self._pool, walk, self._name, "the event is gone", None)
            return True
        if not walk.after and not await self._is_ready(walk, route):
            await self._walks.release(self._pool, walk, self._name, SOON)
            return False
        loop = asyncio.get_running_loop()
        until, after = loop.time() + SLICE_S, walk.after
        while loop.time() < until:
            await self._courtesy.give_way(GIVE_WAY_S)
            async with self._pool.acquire() as tx, tx.transaction():
                last = await self._tell_some(tx, walk, route, after)
            self._outbox.wake()
            if last is None:
                return True
            after = last
            await asyncio.sleep(PACE_S)
        await self._walks.release(self._pool, walk, self._name, timedelta())
        return True

    async def _tell_some(self, tx: Connection, walk: Walk, route: Route, after: str) -> str | None:
        """Tell a chunk; answers the last person of it, or None when the walk is over."""
        await self._walks.plan_anew(tx)
        members = await self._members(tx, route, after)
        over = len(members) < self._chunk
        last = members[-1] if members else after
        moved = await self._walks.advance(
            tx, walk, self._name, after=last, told=len(members), over=over, lease=self._lease
        )
        if not moved:
            raise LostWalkError
        if others := [user for user in members if user != route.actor]:
            await self._teller.share(tx, others)
            recipients = await self._people.load(tx, others)
            await self._teller.tell_all(tx, told_apart(route.say, recipients.values()), self._clock.now())
        return None if over else last

    async def _members(self, tx: Connection, route: Route, after: str) -> list[str]:
        if isinstance(route.recipients, Everyone):
            return await self._audiences.everyone(tx, after, self._chunk)
        return await self._audiences.page(tx, route.recipients.kind, route.target, after, self._chunk)

    async def _route(self, walk: Walk) -> Route | None:
        """Read what the walk is about; None when retention took the event."""
        event = await self._walks.event(self._pool, walk)
        if event is None:
            return None
        entry = CATALOG[type(event)][walk.step]
        if not isinstance(entry.recipients, Audience | Everyone):
            raise TypeError(f"row {walk.step} of {event.name} in the catalogue is no audience")
        actor = getattr(event, entry.actor, None)
        names = await self._people.names(self._pool, [actor] if actor else [])
        target = entry.recipients.target(event) if isinstance(entry.recipients, Audience) else None
        return Route(cache(partial(said, event, entry, names)), actor, entry.recipients, target or "")

    async def _is_ready(self, walk: Walk, route: Route) -> bool:
        """Whether everyone is in the audience who was put there before the event."""
        if isinstance(route.recipients, Everyone):
            return True
        if await self._walks.is_behind(self._pool, audiences.GROUP, walk.seq):
            self._say_waits("a walk waits for the group audiences", event_id=str(walk.event_id))
            return False
        return not await self._walks.awaits_parked(self._pool, audiences.GROUP, walk, PATIENCE)

    async def _fail(self, walk: Walk, error: Exception) -> None:
        attempts = walk.attempts + 1
        wait = None if self._retry.spent(attempts) else self._retry.delay(attempts)
        if wait is None:
            log.error("a walk is dead", event_id=str(walk.event_id), step=walk.step, attempts=attempts)
        await self._walks.fail(self._pool, walk, self._name, f"{type(error).__name__}: {error}", wait)
