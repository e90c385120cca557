"""Owns what a refusal of Resend means to the caller."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)

MONTHLY: Final = timedelta(hours=24)
SOON: Final = timedelta(seconds=2)
# Refusals that no other message would escape, whatever their status.
OURS: Final = frozenset(
    {
        "missing_api_key",
        "invalid_api_key",
        "restricted_api_key",
        "invalid_from_address",
        "invalid_access",
        "invalid_region",
        "not_found",
        "method_not_allowed",
        "security_error",
    }
)


# What is said of one mail in a batch has no name of its own; these say that it was not taken this time.
NOT_NOW: Final = ("too many requests", "rate limit", "quota", "try again")


class UnreachableError(Exception):
    """No connection came about, so nothing was sent."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the library tells of an answer that is no success; of none, `kind` is HttpClientError."""

    code: int
    kind: str
    message: str
    headers: Mapping[str, str]


def explained(refusal: Refusal, cause: BaseException | None, now: datetime) -> DeliveryError:
    """Say what a refusal means; `cause` is what broke where there was no answer at all."""
    if refusal.kind == "HttpClientError":
        return _from_transport(cause)
    after, text = _retry_after(refusal.headers), said(f"{refusal.code} {refusal.kind}: {refusal.message}")
    if refusal.code == 429:
        return _from_quota(refusal.kind, text, after, now)
    if refusal.code == 409:
        repeatable = refusal.kind != "invalid_idempotent_request"
        return AmbiguousDeliveryError(text, retry_after=after or SOON, repeatable=repeatable)
    return _from_status(refusal, text, after)


def _from_status(refusal: Refusal, text: str, after: timedelta | None) -> DeliveryError:
    if refusal.code in {401, 403} or refusal.kind in OURS:
        return ChannelMisconfiguredError(text)
    if refusal.code in {408, 503}:
        return TransientDeliveryError(text, retry_after=after)
    if refusal.code >= 500:
        return AmbiguousDeliveryError(text, retry_after=after)
    return MessageRejectedError(text)


def _from_transport(cause: BaseException | None) -> DeliveryError:
    if isinstance(cause, UnreachableError):
        return TransientDeliveryError("the provider cannot be reached")
    if isinstance(cause, TimeoutError):
        return AmbiguousDeliveryError("the provider did not answer in time")
    return AmbiguousDeliveryError("the connection broke before the provider had answered")


def _from_quota(kind: str, text: str, after: timedelta | None, now: datetime) -> DeliveryError:
    """A rate is free again in a moment; a quota, unless the provider says when, on another day."""
    otherwise = timedelta(seconds=1)
    if kind == "monthly_quota_exceeded":
        otherwise = MONTHLY
    elif kind == "daily_quota_exceeded":
        otherwise = now.astimezone(UTC).replace(hour=0, minute=1, second=0) + timedelta(days=1) - now
    return QuotaExceededError(text, retry_after=after or otherwise)


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    try:
        return timedelta(seconds=min(86_400.0, max(0.0, float(headers["retry-after"]))))
    except (KeyError, ValueError):
        return None


def of_one_mail(message: str) -> DeliveryError:
    """Say what it means that one mail of a batch was not taken while others were."""
    text = said(message)
    later = any(words in text.lower() for words in NOT_NOW)
    return TransientDeliveryError(text) if later else MessageRejectedError(text)


def said(text: str) -> str:
    """Keep what a provider says short and without addresses: it goes into the trace."""
    return re.sub(r"[^\s<>\"']+@[^\s<>\"']+", "…", " ".join(text.split()))[:300]
