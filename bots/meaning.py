"""Owns what an update means: which of the few things the bot does somebody asks for, if any."""

from collections.abc import Mapping
from typing import Any, Final

from aiogram import Bot, Dispatcher, Router
from aiogram.dispatcher.event.bases import UNHANDLED
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import ChatMemberUpdated, Message, Update

from bots.linking import Wish

KINDS: Final = ("message", "my_chat_member")
"""What Telegram is asked to tell."""


class Meaning:
    """Reads updates; asks nothing of the database, and does nothing."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot
        self._dispatcher = Dispatcher(disable_fsm=True)
        self._dispatcher.include_router(_router())

    async def of(self, update: Mapping[str, Any]) -> Wish | None:
        """Answer what is asked for; raises whatever the library raises on what it cannot read."""
        if not any(kind in update for kind in KINDS):
            return None
        # Not `feed_raw_update`: that one would log what people wrote.
        read = Update.model_validate(dict(update), context={"bot": self._bot})
        wish = await self._dispatcher.feed_update(self._bot, read)
        return wish if wish is not UNHANDLED and isinstance(wish, Wish) else None


def _router() -> Router:
    router = Router(name="people")
    router.message.register(_start, CommandStart())
    router.message.register(_stop, Command("stop", ignore_case=True))
    router.message.register(_anything)
    router.my_chat_member.register(_membership)
    return router


async def _start(message: Message, command: CommandObject) -> Wish | None:
    token = (command.args or "").strip()
    if message.chat.type == ChatType.PRIVATE:
        return _wish(message, "link" if token else "explain", token)
    return _wish(message, "expose", token) if token else None


async def _stop(message: Message) -> Wish | None:
    return _wish(message, "stop") if message.chat.type == ChatType.PRIVATE else None


async def _anything(message: Message) -> Wish | None:
    """What is said in a group is not said to the bot."""
    said = message.text is not None and message.chat.type == ChatType.PRIVATE
    return _wish(message, "explain") if said else None


async def _membership(change: ChatMemberUpdated) -> Wish | None:
    if change.chat.type != ChatType.PRIVATE:
        return None
    before, now = (one.status == ChatMemberStatus.KICKED for one in _members(change))
    if before == now:
        return None
    return Wish(kind="block" if now else "unblock", chat=change.chat.id)


def _members(change: ChatMemberUpdated) -> tuple[Any, Any]:
    return change.old_chat_member, change.new_chat_member


def _wish(message: Message, kind: Any, token: str = "") -> Wish:
    user, chat = message.from_user, message.chat
    name = f"@{chat.username}" if chat.username else chat.first_name or ""
    return Wish(kind=kind, chat=chat.id, name=name, locale=user.language_code if user else None, token=token)
