"""Owns the updates that people cause at the simulator of Telegram: as Telegram words them."""

from collections.abc import Mapping
from typing import Any, Final

RAW: Final = frozenset({"update_id", "message", "my_chat_member", "edited_message", "callback_query"})
BOT: Final[Mapping[str, Any]] = {
    "id": 42,
    "is_bot": True,
    "first_name": "Hub",
    "username": "hub_simulated_bot",
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
}


class UnsaidError(ValueError):
    """What is wrong with what was said: the message names it."""


def update(said: Mapping[str, Any], number: int, date: int) -> dict[str, Any]:
    """Make an update of what a person wrote, or take a raw one, which may name its own number."""
    if RAW & said.keys():
        if not _is_number(said.get("update_id", number)):
            raise UnsaidError("update_id: must be a number")
        return {"update_id": number, **said}
    user, text = said.get("user"), said.get("text")
    if not isinstance(user, dict) or not _is_number(user.get("id")):
        raise UnsaidError('user: say who writes, such as {"id": 4242, "first_name": "Ann"}')
    if not isinstance(text, str):
        raise UnsaidError("text: say what they write")
    person = {"is_bot": False, "first_name": "Somebody", **user}
    message = {
        "message_id": number,
        "date": date,
        "from": person,
        "chat": _chat(said.get("chat"), person),
        "text": text,
    }
    if text.startswith("/"):
        command = len(text.split(maxsplit=1)[0])
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": command}]
    return {"update_id": number, "message": message}


def _chat(given: Any, person: Mapping[str, Any]) -> dict[str, Any]:
    """Without one it is the private chat with the person, which has their number."""
    own = {name: person[name] for name in ("id", "first_name", "last_name", "username") if name in person}
    if given is None:
        return {**own, "type": "private"}
    if _is_number(given):
        given = {"id": given}
    if not isinstance(given, dict) or not _is_number(given.get("id")):
        raise UnsaidError('chat: name one such as {"id": -100, "type": "group", "title": "Fans"}')
    if given["id"] == person["id"]:
        return {**own, "type": "private", **given}
    if given["id"] > 0:  # groups have numbers below zero
        return {"type": "private", "first_name": "Somebody", **given}
    return {"type": "group", "title": "A group", **given}


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
