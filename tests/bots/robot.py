"""A bot moved by tests: what it was told is handled, and what it has to say is said, when they ask for it."""

from itertools import count
from typing import Any

from bots.meaning import Meaning
from bots.replies import Replies
from bots.updates import Handling
from routing.channels.telegram import TelegramChannel
from schemas.db import Pool
from schemas.listen import Listener
from schemas.store.telegram_links import TelegramLinks, new_token
from schemas.store.telegram_updates import WAKE, TelegramUpdates
from schemas.store.users import Users
from tests.simulated import FakeClock
from tests.simulated_telegram import ANN, SAID_AT, membership

_NAMES = count(1)


class Robot:
    """One process of the bot."""

    def __init__(self, dsn: str, pool: Pool, channel: TelegramChannel, clock: FakeClock) -> None:
        self.pool = pool
        self.clock = clock
        self.channel = channel
        self.updates = TelegramUpdates()
        listener = Listener(dsn, WAKE)
        self.name = f"bot{next(_NAMES)}"
        self.handling = Handling(pool, listener, Meaning(channel.bot), clock, name=self.name)
        self.replies = Replies(pool, listener, channel, clock)
        self._numbers = count(1)

    async def handle(self) -> None:
        """Handle all that may be handled now."""
        while await self.handling.due():
            await self.handling.turn()

    async def answer(self) -> None:
        """Say all that may be said now."""
        while await self.replies.due():
            await self.replies.turn()

    async def keep(self, update: dict[str, Any], number: int | None = None) -> int:
        """Store an update as a webhook does."""
        given = {"update_id": next(self._numbers) if number is None else number, **update}
        await self.updates.put(self.pool, given, self.clock.now())
        return int(given["update_id"])

    async def told(self, text: str, *, number: int | None = None, **members: Any) -> str:
        """Have a message handled; answers what came of it."""
        return await self._did(await self.keep(message(text, **members), number))

    async def member(self, before: str, now: str, *, number: int | None = None, chat: int = ANN) -> str:
        """Have it handled that somebody blocks the bot, or takes that back."""
        return await self._did(await self.keep({"my_chat_member": membership(chat, before, now)}, number))

    async def _did(self, update: int) -> str:
        await self.handle()
        return str(await self.pool.fetchval("SELECT did FROM telegram_updates WHERE update_id = $1", update))

    async def reply(self) -> str | None:
        """What is said upon the last update."""
        said: str | None = await self.pool.fetchval(
            "SELECT reply FROM telegram_updates ORDER BY update_id DESC LIMIT 1"
        )
        return said

    async def token(self, user: str = "ann") -> str:
        """A token as somebody gets it in their settings."""
        await Users().greet(self.pool, user, name=None, tz=None)
        token = new_token()
        await TelegramLinks().put(self.pool, user, token, self.clock.now())
        return token

    async def linked(self, user: str = "ann", chat: int = ANN) -> None:
        """Somebody has linked their chat."""
        assert await self.told(f"/start {await self.token(user)}", chat=chat) == "linked"

    async def endpoints(self) -> list[tuple[str, str, str, str | None]]:
        """User, address, state and why it was given up, by user and address."""
        rows = await self.pool.fetch(
            "SELECT user_id, address, state, retired_reason FROM endpoints ORDER BY user_id, address"
        )
        return [tuple(row) for row in rows]

    async def consent(self) -> list[tuple[bool, str]]:
        """Whether it was allowed and by what, the first entry first."""
        rows = await self.pool.fetch("SELECT allowed, source FROM consent ORDER BY n")
        return [tuple(row) for row in rows]


def message(
    text: str, *, chat: int = ANN, kind: str = "private", language: str | None = None, **members: Any
) -> dict[str, Any]:
    """An update: somebody writes."""
    user = {"id": ANN, "is_bot": False, "first_name": "Ann"}
    if language is not None:
        user["language_code"] = language
    place = {"id": chat, "type": kind, "title": "Fans"} if kind != "private" else None
    said = {
        "message_id": 1,
        "date": SAID_AT,
        "from": user,
        "chat": place or {"id": chat, "type": kind, "first_name": "Ann", **members},
        "text": text,
    }
    return {"message": said}
