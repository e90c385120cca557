"""Owns what a refusal of FCM means to the caller."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx
import orjson
from firebase_admin.exceptions import FirebaseError, UnknownError
from firebase_admin.messaging import SenderIdMismatchError, ThirdPartyAuthError, UnregisteredError

from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointBusyError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)

QUOTA_PAUSE: Final = timedelta(minutes=1)  # the least that Google asks for where its answer says nothing
LONGEST: Final = timedelta(days=1)
TARGETS: Final = frozenset({"message.token", "message.fid"})
BAD_TOKEN: Final = "registration token is not a valid"  # noqa: S105  how Google words it


class NoTokenError(httpx.HTTPError):
    """There is no access token to call with; `error` says what that means."""

    def __init__(self, error: DeliveryError) -> None:
        super().__init__(str(error))
        self.error = error


def explained(error: FirebaseError, now: datetime) -> DeliveryError:
    """Say what an error of the library means."""
    if isinstance(error.cause, NoTokenError):
        return error.cause.error
    answer: httpx.Response | None = error.http_response
    if answer is None:
        return _from_transport(error)
    text = said(f"{answer.status_code} {error.code}: {error}")
    if isinstance(error, UnregisteredError | SenderIdMismatchError):
        return EndpointGoneError(text)
    if isinstance(error, ThirdPartyAuthError):
        return ChannelMisconfiguredError(text)
    return _from_status(answer, text, _retry_after(answer, now))


def _from_status(answer: httpx.Response, text: str, after: timedelta | None) -> DeliveryError:
    status = answer.status_code
    if status == 429:
        kind = EndpointBusyError if _is_of_device(answer) else QuotaExceededError
        return kind(text, retry_after=after or QUOTA_PAUSE)
    if status in {401, 403, 404} or status < 400:  # whoever sends us elsewhere is not FCM
        return ChannelMisconfiguredError(text)
    if status == 503:
        return TransientDeliveryError(text, retry_after=after)
    if status == 408 or status >= 500:
        return AmbiguousDeliveryError(text, retry_after=after)
    return EndpointGoneError(text) if _is_about_target(answer) else MessageRejectedError(text)


def _from_transport(error: FirebaseError) -> DeliveryError:
    match error.cause:
        case httpx.ConnectError():
            return TransientDeliveryError("the provider cannot be reached")
        case httpx.TimeoutException():
            return AmbiguousDeliveryError("the provider did not answer in time")
        case httpx.DecodingError():
            return AmbiguousDeliveryError(
                "the provider answered with something else than the name of a message"
            )
        case httpx.HTTPError():
            return AmbiguousDeliveryError("the connection broke before the provider had answered")
        case _ if isinstance(error, UnknownError):
            return AmbiguousDeliveryError(said(f"the library failed: {error}"))
        case _:
            return AmbiguousDeliveryError(said(str(error)))


def _is_about_target(answer: httpx.Response) -> bool:
    """Whether the address itself is what FCM does not understand."""
    told = _error(answer)
    if BAD_TOKEN in str(told.get("message")):
        return True
    return any(
        isinstance(one, dict) and one.get("field") in TARGETS
        for detail in _details(told)
        for one in detail.get("fieldViolations") or ()
    )


def _is_of_device(answer: httpx.Response) -> bool:
    """Whether one device was sent too much, and not all of them together."""
    return any(
        isinstance(one, dict) and "device" in f"{one.get('subject')} {one.get('description')}".lower()
        for detail in _details(_error(answer))
        for one in detail.get("violations") or ()
    )


def _error(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        told = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (one for one in error.get("details") or () if isinstance(one, dict))


def _retry_after(answer: httpx.Response, now: datetime) -> timedelta | None:
    """Seconds, or the moment."""
    told = answer.headers.get("retry-after", "")
    try:
        after = timedelta(seconds=float(told))
    except (ValueError, OverflowError):
        try:
            after = parsedate_to_datetime(told) - now
        except (ValueError, TypeError):
            return None
    return min(LONGEST, max(timedelta(0), after))


def said(text: str) -> str:
    """Keep what a provider says short: it goes into the trace."""
    return " ".join(text.split())[:300]
