"""Owns what a refusal of Twilio means to the caller."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
import orjson

from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    OptedOutError,
    QuotaExceededError,
    TransientDeliveryError,
)

MEANING: Final[Mapping[int, type[DeliveryError]]] = {
    21610: OptedOutError,
    **dict.fromkeys((21211, 21614, 21635), EndpointGoneError),  # no number, no mobile phone, a landline
    # The account, its messaging service, the numbers of that, our address: no other message would escape.
    **dict.fromkeys(
        (10001, 20003, 20005, 20006, 20008, 21603, 21606, 21609, 21701, 21703, 21704, 21705, 30002),
        ChannelMisconfiguredError,
    ),
    # Too many calls, too long a queue of a number, the most of a day.
    **dict.fromkeys((14107, 20429, 21611, 63038), QuotaExceededError),
    20503: TransientDeliveryError,  # Twilio says itself that it did nothing
}
OF_MESSAGES: Final = range(21_000, 22_000)
"""Codes of what one message is or whom it is for; those of them that are the account's are above."""
OF_A_DAY: Final = 63038
SOON: Final = timedelta(seconds=1)
HOURLY: Final = timedelta(hours=1)
LONGEST_WAIT: Final = timedelta(days=1)
LONGEST: Final = 300


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str, retry_after: str | None) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.text = text
        self.retry_after = retry_after


def explained(refused: RefusedError, now: datetime) -> DeliveryError:
    """Say what a refusal means: by its code, which is Twilio's own, and where there is none by its status."""
    body = _body(refused.text)
    code = _number(body.get("code"))
    text = _said(refused.status, code, body)
    after = _after(refused.retry_after, now)
    kind = MEANING.get(code or 0) or _kind(refused.status, code)
    if kind is QuotaExceededError:
        after = after or (HOURLY if code == OF_A_DAY else SOON)
    return kind(text, retry_after=after)


def _kind(status: int, code: int | None) -> type[DeliveryError]:
    """Without a key, whatever does not surely say that it was not taken is ambiguous."""
    if status == 429:
        return QuotaExceededError
    of_message = code is not None and code in OF_MESSAGES
    if (status in {401, 403, 404} and not of_message) or 300 <= status < 400:
        return ChannelMisconfiguredError
    return MessageRejectedError if code is not None and status < 500 else AmbiguousDeliveryError


def from_transport(error: BaseException) -> DeliveryError:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return TransientDeliveryError("the provider cannot be reached")
    if isinstance(error, TimeoutError):
        return AmbiguousDeliveryError("the provider did not answer in time")
    return AmbiguousDeliveryError("the connection broke before the provider had answered")


def _body(text: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(code: object) -> int | None:
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _said(status: int, code: int | None, body: Mapping[str, Any]) -> str:
    """Its own words, short and without numbers of people: they go into the trace.

    There are two forms of them, the older `message`, and `title` with `detail` (RFC 9457).
    """
    words = [one for name in ("message", "title", "detail") if isinstance(one := body.get(name), str)]
    named = f"{status} {code}" if code else str(status)
    said = without_numbers(" ".join(" ".join(words).split()))
    return f"{named}: {said}"[:LONGEST].rstrip(": ")


def without_numbers(text: str) -> str:
    """Whatever looks like a telephone number."""
    return re.sub(r"\+?\d[\d\s().-]{5,}\d", "…", text)


def _after(header: str | None, now: datetime) -> timedelta | None:
    """Seconds, or a date."""
    if not header:
        return None
    try:
        if header.strip().isdecimal():
            wait = timedelta(seconds=int(header[:9]))
        else:
            date = parsedate_to_datetime(header)
            wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    except (ValueError, OverflowError):
        return None
    return min(LONGEST_WAIT, max(timedelta(), wait))
