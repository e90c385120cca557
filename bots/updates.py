"""Owns the handling of updates: leased in the order of each chat, effects and `done` in one transaction."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from bots.linking import Answer, Linking, Wish
from bots.meaning import Meaning
from bus.retry import Retry
from bus.tasks import cancelled, forever
from schemas.clock import Clock
from schemas.db import Connection, Pool
from schemas.listen import Listener
from schemas.store.telegram_updates import StoredUpdate, TelegramUpdates

log = structlog.get_logger(__name__)

LEASE: Final = timedelta(seconds=60)
HANDLE_S: Final = 15.0
AT_ONCE: Final = 4  # so that the last of them is begun well within its lease
IDLE_S: Final = 30.0
PAUSE_S: Final = 1.0
AGAIN: Final = Retry(attempts=6, first=timedelta(milliseconds=500), factor=3, longest=timedelta(minutes=1))
SAY_AGAIN: Final = timedelta(minutes=1)
IDLE_TALK: Final = ("explained", "unknown")
"""What a chat is told once within this time, however much is written there."""
DECISIVE: Final = frozenset({"link", "stop", "block", "unblock"})
"""What an update that comes late must not ask for: a later one has decided already."""


class TakenOverError(Exception):
    """The lease ran out, and somebody else handles the update."""


class Handling:
    """Runs in any number of processes."""

    def __init__(self, pool: Pool, listener: Listener, meaning: Meaning, clock: Clock, *, name: str) -> None:
        self._pool = pool
        self._listener = listener
        self._meaning = meaning
        self._clock = clock
        self._name = name
        self._updates = TelegramUpdates()
        self._linking = Linking(clock)

    async def run(self) -> None:
        async def work() -> None:
            while not cancelled():
                if await self._listener.wait_for(self.due, IDLE_S):
                    await self.turn()

        await forever(work, name="updates of Telegram", pause_s=PAUSE_S)

    async def due(self) -> bool:
        return await self._updates.due(self._pool, self._clock.now())

    async def turn(self) -> None:
        """Handle what may be handled now: of each chat one."""
        now = self._clock.now()
        for update in await self._updates.claim(self._pool, self._name, now, lease=LEASE, limit=AT_ONCE):
            await self._handle(update)

    async def _handle(self, update: StoredUpdate) -> None:
        if update.attempts > AGAIN.attempts:
            await self._failed(update, "it was begun again and again, and never ended")
            return
        try:
            async with asyncio.timeout(HANDLE_S):
                wish = await self._meaning.of(update.body)
                async with self._pool.acquire() as tx, tx.transaction():
                    await self._apply(tx, update, wish)
        except TakenOverError:
            log.warning("an update took too long, and is handled by somebody else", update=update.update_id)
        except Exception as error:  # noqa: BLE001  noted with the update; its text may show what people wrote
            await self._failed(update, type(error).__name__)

    async def _apply(self, tx: Connection, update: StoredUpdate, wish: Wish | None) -> None:
        answer = await self._answer(tx, update, wish) if wish else Answer("ignored")
        noted = await self._updates.done(
            tx, self._name, update.update_id, self._clock.now(), did=answer.did, reply=answer.reply
        )
        if not noted:
            raise TakenOverError

    async def _answer(self, tx: Connection, update: StoredUpdate, wish: Wish) -> Answer:
        await self._updates.lock_chat(tx, wish.chat)
        overtaken = await self._updates.overtaken(tx, wish.chat, update.update_id, self._clock.now())
        if overtaken and wish.kind in DECISIVE:
            return Answer("overtaken")
        answer = await self._linking.fulfil(tx, wish)
        return answer if await self._is_news(tx, update, wish, answer) else Answer(answer.did)

    async def _is_news(self, tx: Connection, update: StoredUpdate, wish: Wish, answer: Answer) -> bool:
        if answer.changed or answer.reply is None:
            return True
        return not await self._updates.was_said(
            tx,
            wish.chat,
            update.update_id,
            answer.reply,
            self._clock.now() - SAY_AGAIN,
            or_any_of=IDLE_TALK if answer.did in IDLE_TALK else (),
        )

    async def _failed(self, update: StoredUpdate, error: str) -> None:
        dead = AGAIN.spent(update.attempts)
        at = self._clock.now() + AGAIN.delay(update.attempts)
        said = {"update": update.update_id, "error": error, "attempts": update.attempts}
        if dead:
            log.error("an update cannot be handled, and is given up", **said)
        else:
            log.warning("an update could not be handled, and is tried again", **said)
        await self._updates.failed(self._pool, self._name, update.update_id, error, at, dead=dead)
