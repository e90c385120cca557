"""What the answers of mail servers mean, by how far a mail had come."""

from datetime import timedelta

import pytest

from routing.channels.smtp_errors import HungUpError, Stage, refused
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


@pytest.mark.parametrize(
    ("stage", "code", "message", "error"),
    [
        ("session", 421, "too many connections", TransientDeliveryError),
        ("session", 454, "4.7.0 temporary authentication failure", TransientDeliveryError),
        ("session", 535, "5.7.8 authentication failed", ChannelMisconfiguredError),
        ("session", 554, "no service for you", ChannelMisconfiguredError),
        ("sender", 421, "idle for too long", HungUpError),
        ("sender", 451, "4.3.0 try later", TransientDeliveryError),
        ("sender", 452, "4.3.1 insufficient storage", QuotaExceededError),
        ("sender", 450, "4.7.1 rate limited", QuotaExceededError),
        ("sender", 550, "5.7.1 you may not send as this", ChannelMisconfiguredError),
        ("recipient", 450, "4.2.0 greylisted", EndpointBusyError),
        ("recipient", 452, "4.2.2 mailbox full", EndpointBusyError),
        ("recipient", 421, "4.3.2 closing", TransientDeliveryError),
        ("recipient", 530, "5.7.0 authentication required", ChannelMisconfiguredError),
        ("recipient", 550, "5.1.1 user unknown", EndpointGoneError),
        ("recipient", 550, "5.1.10 recipient not found", EndpointGoneError),
        ("recipient", 551, "user has moved", EndpointGoneError),
        ("recipient", 550, "5.7.1 refused by policy", MessageRejectedError),
        ("recipient", 550, "refused", MessageRejectedError),
        ("message", 451, "4.3.0 local error", TransientDeliveryError),
        ("message", 452, "4.3.1 insufficient storage", QuotaExceededError),
        ("message", 550, "5.4.5 daily sending quota exceeded", QuotaExceededError),
        ("message", 552, "5.3.4 too big", MessageRejectedError),
        ("message", 554, "5.7.1 spam", MessageRejectedError),
        ("message", -1, "malformed", AmbiguousDeliveryError),
        ("recipient", -1, "malformed", TransientDeliveryError),
    ],
)
def test_an_answer_means(stage: Stage, code: int, message: str, error: type[DeliveryError]) -> None:
    assert type(refused(stage, code, message)) is error


def test_a_full_mailbox_is_left_alone_for_longer() -> None:
    full, grey = (refused("recipient", 450, text) for text in ("4.2.2 full", "4.2.0 greylisted"))
    assert (full.retry_after, grey.retry_after) == (timedelta(hours=1), timedelta(minutes=5))


def test_what_the_server_says_goes_into_the_trace_without_addresses() -> None:
    assert str(refused("recipient", 550, "5.1.1 <ann@example.com>: unknown")) == "550 5.1.1 <…>: unknown"
