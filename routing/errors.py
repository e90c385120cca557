"""Owns why a delivery did not succeed, split by what the caller does next.

DeliveryError
├── TransientDeliveryError       not taken, and another time it may be → again later
├── QuotaExceededError           not taken, too much was sent → again later, and slow the channel
├── MessageRejectedError         never taken as it is → stop
│   └── EndpointGoneError        nobody is there any more → stop, and retire the endpoint
├── AmbiguousDeliveryError       it may have been taken → again with the same key, or `unknown` without one
└── ChannelMisconfiguredError    nothing of ours is taken → pause the channel, keep the work, alarm
"""

from datetime import timedelta


class DeliveryError(Exception):
    """Its message says in one sentence what the provider did; addresses and secrets are not in it."""

    outcome = "failed"
    """How the attempt is named in the trace."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TransientDeliveryError(DeliveryError):
    """The provider did not take it, and may do so later."""

    outcome = "unavailable"


class QuotaExceededError(DeliveryError):
    """The provider takes nothing more for `retry_after`."""

    outcome = "quota"


class MessageRejectedError(DeliveryError):
    """The provider will never take this message."""

    outcome = "rejected"


class EndpointGoneError(MessageRejectedError):
    """The address has ended; nothing must be sent there again."""

    outcome = "gone"


class AmbiguousDeliveryError(DeliveryError):
    """Nobody can say whether the provider took it; `repeatable` unless the key itself was refused."""

    outcome = "ambiguous"

    def __init__(
        self, message: str, *, retry_after: timedelta | None = None, repeatable: bool = True
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.repeatable = repeatable


class ChannelMisconfiguredError(DeliveryError):
    """The provider refuses us, whatever we send: a key, a sender or an account is wrong."""

    outcome = "misconfigured"
