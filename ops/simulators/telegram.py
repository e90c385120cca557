"""Owns the simulator of Telegram: the Bot API for one bot, and its updates by webhook or long poll."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypeAlias

import orjson
from aiohttp import web

from ops.simulators.base import SLOW_S, Message, Mode, Simulator, json_answer, seconds, silence
from ops.simulators.telegram_inbound import BOT, UnsaidError, update
from ops.simulators.telegram_webhook import Pusher, comes_again
from schemas.clock import Clock

QUOTA_S: Final = 3
MOST_UNITS: Final = 4_096
MOST_UPDATES: Final = 100
LONGEST_POLL_S: Final = 50
FIRST_UPDATE: Final = 100_000_000
PAGE: Final = "<html><head><title>{0}</title></head><body>{0}</body></html>"

Given: TypeAlias = Mapping[str, Any]
"""The parameters of a method."""


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        if parameters:
            self.body["parameters"] = parameters


class TelegramSimulator(Simulator):
    """One bot. Its updates go to `webhook`, with `secret`, or where there is none wait for a poll."""

    name: ClassVar[str] = "telegram"

    def __init__(self, clock: Clock, *, token: str, webhook: str | None = None, secret: str = "") -> None:
        super().__init__(clock)
        self._token = token
        # The hub remembers numbers for longer than a simulator lives: the next one begins beyond them.
        self._numbers = max(FIRST_UPDATE, seconds(clock.now()))
        self._written = 0
        self._waiting: deque[dict[str, Any]] = deque()
        self._news = asyncio.Event()
        self._polls = 0
        self._pusher = Pusher(self._waiting, webhook, secret)
        self._methods: Mapping[str, Callable[[Given], Awaitable[Any]]] = {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "getupdates": self._get_updates,
            "setwebhook": self._set_webhook,
            "deletewebhook": self._delete_webhook,
            "getwebhookinfo": self._webhook_info,
            "setmycommands": self._set_commands,
            "getmycommands": self._get_commands,
        }
        self.commands: dict[str, Any] = {}
        """What was set by setMyCommands, by language."""
        self.moved: dict[str, int] = {}
        """Groups that have become supergroups, with their new number."""

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/bot{token}/{method}", self._call)]

    async def close(self) -> None:
        await self._pusher.close()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        try:
            return json_answer({"ok": True, "result": await self._answered(request)})
        except RefusedError as refused:
            return json_answer(refused.body, refused.code)
        except InFrontError as error:
            page = PAGE.format(error)
            return web.Response(status=error.status, text=page, content_type="text/html")
        except TimeoutError:
            return await silence(request)

    async def _answered(self, request: web.Request) -> Any:
        if request.match_info["token"] != self._token:
            raise RefusedError(401, "Unauthorized")
        method = self._methods.get(request.match_info["method"].lower())
        if method is None:
            raise RefusedError(404, "Not Found")
        return await method(await _given(request))

    async def _get_me(self, _given: Given) -> Any:
        return BOT

    async def _set_commands(self, given: Given) -> bool:
        self.commands[str(given.get("language_code") or "")] = _json(given.get("commands"), [])
        return True

    async def _get_commands(self, given: Given) -> Any:
        return self.commands.get(str(given.get("language_code") or ""), [])

    async def _set_webhook(self, given: Given) -> bool:
        url, secret = given.get("url"), given.get("secret_token")
        self._pusher.call(str(url) if url else None, str(secret or ""))
        return True

    async def _delete_webhook(self, _given: Given) -> bool:
        self._pusher.call(None, "")
        return True

    async def _webhook_info(self, _given: Given) -> dict[str, Any]:
        return {
            "url": self._pusher.url or "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._waiting),
        }

    async def _send_message(self, given: Given) -> dict[str, Any]:
        chat, text = str(given.get("chat_id") or ""), str(given.get("text") or "")
        mode = self.behaviours.take(chat)
        await _misbehave(mode)
        if chat in self.moved:
            number = self.moved[chat]
            raise RefusedError(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=number
            )
        _check(chat, text, given)
        self._written += 1
        answer = {
            "message_id": self._written,
            "date": seconds(self.clock.now()),
            "from": {name: BOT[name] for name in ("id", "is_bot", "first_name", "username")},
            "chat": {"id": int(chat), "type": "private" if int(chat) > 0 else "group"},
            "text": text,
        }
        if entities := _json(given.get("entities"), []):
            answer["entities"] = entities
        raw = {**given, "entities": entities}
        self.keep(Message(id=str(self._written), address=chat, at=self.at(), text=text, raw=raw))
        if mode == "timeout_after":
            raise TimeoutError
        return answer

    async def _get_updates(self, given: Given) -> list[dict[str, Any]]:
        """A poll that comes while another waits ends that one, as only one may wait."""
        if self._pusher.url:
            raise RefusedError(
                409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first"
            )
        self._polls += 1
        mine = self._polls
        self._ring()
        offset = _number(given.get("offset"), 0)
        while self._waiting and self._waiting[0]["update_id"] < offset:
            self._waiting.popleft()
        try:
            async with asyncio.timeout(min(LONGEST_POLL_S, _number(given.get("timeout"), 0))):
                while not self._waiting:
                    await self._news.wait()
                    if mine != self._polls:
                        raise RefusedError(409, "Conflict: terminated by other getUpdates request")
        except TimeoutError:
            return []
        return list(self._waiting)[: min(MOST_UPDATES, _number(given.get("limit"), MOST_UPDATES))]

    async def inbound(self, said: Mapping[str, Any]) -> web.Response:
        """A person writes {"user", "chat"?, "text"}, or a raw update comes: it reaches the hub."""
        try:
            made = update(said, self._numbers + 1, seconds(self.clock.now()))
        except UnsaidError as error:
            return json_answer({"error": str(error)}, 422)
        self._numbers = max(self._numbers, made["update_id"])
        status = await self._pusher.post(made) if self._pusher.url else None
        if status is None or comes_again(status):
            self._waiting.append(made)
            self._pusher.begin()
            self._ring()
        told = {} if status is None else {"status": status}
        return json_answer({"ok": status in {None, 200}, "update_id": made["update_id"], **told})

    def _ring(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class InFrontError(Exception):
    """What stands in front of the Bot API answers in its place, with a page instead of JSON."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} {HTTPStatus(status).phrase}")
        self.status = status


async def _misbehave(mode: Mode) -> None:
    """Do what was asked for; raises RefusedError, InFrontError or TimeoutError."""
    match mode:
        case "gone":
            raise RefusedError(403, "Forbidden: bot was blocked by the user")
        case "quota":
            raise RefusedError(429, f"Too Many Requests: retry after {QUOTA_S}", retry_after=QUOTA_S)
        case "reject":
            raise RefusedError(400, "Bad Request: message text is not taken")
        case "down" | "flaky":
            raise InFrontError(503)
        case "timeout":
            raise TimeoutError
        case "slow":
            await asyncio.sleep(SLOW_S)


def _check(chat: str, text: str, given: Mapping[str, Any]) -> None:
    if not chat.lstrip("-").isdecimal():
        raise RefusedError(400, "Bad Request: chat not found")
    if not text.strip():
        raise RefusedError(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) // 2 > MOST_UNITS:
        raise RefusedError(400, "Bad Request: message is too long")
    if given.get("parse_mode"):
        raise RefusedError(400, "Bad Request: this simulator reads no markup; send entities")


async def _given(request: web.Request) -> dict[str, Any]:
    """What a method is given: by the address, as a form or as JSON."""
    if request.content_type == "application/json":
        said = _json(await request.text(), {})
        return {**request.query, **(said if isinstance(said, dict) else {})}
    return {**request.query, **await request.post()}


def _json(value: Any, otherwise: Any) -> Any:
    if not isinstance(value, str):
        return value if value is not None else otherwise
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise RefusedError(400, "Bad Request: can't parse JSON object") from None


def _number(value: Any, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return otherwise
