"""Owns why a delivery did not succeed, split by what the caller does next.

DeliveryError
├── TransientDeliveryError       not taken, and another time it may be → again later
│   └── EndpointBusyError        this address takes nothing for a while → all that waits for it waits longer
├── QuotaExceededError           not taken, too much was sent → again later, and slow the channel
├── MessageRejectedError         never taken as it is → stop
│   ├── EndpointGoneError        nobody is there any more → stop, and retire the endpoint
│   └── OptedOutError            its owner told the provider to stop → stop, and note it as their consent
├── AddressMovedError            not taken, the endpoint has another address → note it, and again
├── AmbiguousDeliveryError       it may have been taken → again with the same key, or `unknown` without one
└── ChannelMisconfiguredError    nothing of ours is taken → pause the channel, keep the work, alarm
"""

from datetime import timedelta


def plain(text: str) -> str:
    """A provider's words, without what no database keeps."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


class DeliveryError(Exception):
    """Its message says in one sentence what the provider did; addresses and secrets are not in it."""

    outcome = "failed"
    """How the attempt is named in the trace."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(plain(message))
        self.retry_after = retry_after


class TransientDeliveryError(DeliveryError):
    """The provider did not take it, and may do so later."""

    outcome = "unavailable"


class EndpointBusyError(TransientDeliveryError):
    """This address takes nothing for `retry_after`; the provider is well."""

    outcome = "busy"


class QuotaExceededError(DeliveryError):
    """The provider takes nothing more for `retry_after`."""

    outcome = "quota"


class MessageRejectedError(DeliveryError):
    """The provider will never take this message."""

    outcome = "rejected"


class EndpointGoneError(MessageRejectedError):
    """The address has ended; nothing must be sent there again."""

    outcome = "gone"


class OptedOutError(MessageRejectedError):
    """The owner of the address refused messages at the provider; the endpoint is well."""

    outcome = "opted_out"


class AddressMovedError(DeliveryError):
    """The endpoint is reached under `address` from now on; nothing was sent."""

    outcome = "moved"

    def __init__(self, address: str) -> None:
        super().__init__("the endpoint has got another address")
        self.address = plain(address)


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
