"""What each refusal of Resend means to the caller."""

from datetime import UTC, datetime, timedelta

import pytest

from routing.channels.email_errors import Refusal, explained, said
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "kind", "meant"),
    [
        (400, "validation_error", MessageRejectedError),
        (422, "invalid_attachment", MessageRejectedError),
        (422, "invalid_from_address", ChannelMisconfiguredError),
        (401, "missing_api_key", ChannelMisconfiguredError),
        (401, "restricted_api_key", ChannelMisconfiguredError),
        (403, "validation_error", ChannelMisconfiguredError),
        (404, "not_found", ChannelMisconfiguredError),
        (409, "concurrent_idempotent_requests", AmbiguousDeliveryError),
        (500, "application_error", AmbiguousDeliveryError),
        (502, "application_error", AmbiguousDeliveryError),
        (503, "service_unavailable", TransientDeliveryError),
    ],
)
def test_a_refusal_is_sorted_by_what_to_do_next(code: int, kind: str, meant: type[DeliveryError]) -> None:
    assert type(explained(Refusal(code, kind, "so it is", {}), None, NOW)) is meant


@pytest.mark.parametrize(
    ("kind", "wait"),
    [
        ("rate_limit_exceeded", timedelta(seconds=1)),
        ("daily_quota_exceeded", timedelta(hours=2, minutes=1)),
        ("monthly_quota_exceeded", timedelta(hours=24)),
    ],
)
def test_a_spent_quota_is_not_tried_soon(kind: str, wait: timedelta) -> None:
    error = explained(Refusal(429, kind, "too much", {}), None, NOW)
    assert isinstance(error, QuotaExceededError)
    assert error.retry_after == wait


def test_what_the_provider_asks_for_counts() -> None:
    error = explained(Refusal(503, "x", "y", {"retry-after": "30"}), None, NOW)
    assert error.retry_after == timedelta(seconds=30)


def test_no_address_gets_into_the_trace() -> None:
    assert said("nobody at <ann@example.com>, sorry") == "nobody at <…>, sorry"
