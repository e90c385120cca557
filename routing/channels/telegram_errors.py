"""Owns what a refusal of Telegram means to the caller, and whether one chat or the whole bot is too busy."""

from datetime import datetime, timedelta
from typing import Final

import aiohttp
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramEntityTooLarge,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)

from routing.errors import (
    AddressMovedError,
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)

SEVERAL: Final = 3
"""When so many other chats are told to wait at the same time, it is the bot that sends too much."""
SOON: Final = timedelta(seconds=1)
NOBODY: Final = (
    "chat not found",
    "user not found",
    "peer_id_invalid",
    "chat_id_invalid",
    "user_id_invalid",
    "chat was deleted",
    "chat was deactivated",
    "user is deactivated",
    "have no rights to send",
    "chat_write_forbidden",
)
"""Refusals as a bad request that any other message to this chat would meet, too."""


class UnavailableError(AiogramError):
    """Status 503, in whatever form: nothing has begun to handle the request."""


class BlockedError(EndpointGoneError):
    """The person has blocked the bot; they can take that back."""

    outcome = "blocked"


class Floods:
    """Telegram says only that this call came too soon; where many chats hear it, it is meant for the bot."""

    def __init__(self) -> None:
        self._waiting: dict[str, datetime] = {}

    def told_to_wait(self, chat: str, after: timedelta, now: datetime) -> DeliveryError:
        waiting = {other: until for other, until in self._waiting.items() if until > now and other != chat}
        self._waiting = waiting | {chat: now + after}
        said = f"429: too much was sent, again in {after.total_seconds():g} s"
        if len(waiting) >= SEVERAL:
            return QuotaExceededError(said, retry_after=after)
        return EndpointBusyError(said, retry_after=after)

    def taken(self, chat: str) -> None:
        self._waiting.pop(chat, None)


def waits(error: Exception) -> timedelta | None:
    """How long Telegram asks to wait; None if that is not what it says."""
    if isinstance(error, TelegramRetryAfter):
        return timedelta(seconds=error.retry_after)
    told = isinstance(error, TelegramAPIError) and str(error.message).lower().startswith("too many requests")
    return SOON if told else None


def explained(error: Exception) -> DeliveryError:  # noqa: PLR0911  one for each kind of refusal
    """Say what any other refusal means. What the network says may name the token, so it is not repeated."""
    match error:
        case TelegramMigrateToChat():
            return AddressMovedError(str(error.migrate_to_chat_id))
        case TelegramUnauthorizedError() | TelegramNotFound():
            return ChannelMisconfiguredError(f"Telegram does not know the bot: {_said(error)}")
        case TelegramForbiddenError():
            return _forbidden(error)
        case TelegramBadRequest():
            return _bad_request(error)
        case TelegramEntityTooLarge():  # which the library derives from errors of the network
            return MessageRejectedError(_said(error))
        case TelegramNetworkError():
            return _network(error)
        case TelegramConflictError():
            return TransientDeliveryError(_said(error))
        case UnavailableError():
            return TransientDeliveryError("Telegram is not available just now")
        case TelegramServerError():
            return AmbiguousDeliveryError(f"Telegram failed: {_said(error)}")
        case TelegramAPIError():
            return MessageRejectedError(_said(error))
        case _:  # ClientDecodeError, as upon an HTML page with status 502, is no TelegramAPIError
            return AmbiguousDeliveryError("the answer is not one of Telegram's")


def _forbidden(error: TelegramForbiddenError) -> DeliveryError:
    said = _said(error)
    return BlockedError(said) if "blocked by the user" in said.lower() else EndpointGoneError(said)


def _bad_request(error: TelegramBadRequest) -> DeliveryError:
    said = _said(error)
    gone = any(one in said.lower() for one in NOBODY)
    return EndpointGoneError(said) if gone else MessageRejectedError(said)


def _network(error: TelegramNetworkError) -> DeliveryError:
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TransientDeliveryError("Telegram cannot be reached")
    if isinstance(cause, TimeoutError):
        return AmbiguousDeliveryError("Telegram did not answer in time")
    return AmbiguousDeliveryError("the connection broke before Telegram had answered")


def _said(error: AiogramError) -> str:
    """Keep what Telegram says short: it goes into the trace."""
    message = getattr(error, "message", None) or type(error).__name__
    return " ".join(str(message).split())[:300]
