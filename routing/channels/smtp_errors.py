"""Owns what a refusal of a mail server means to the caller."""

import re
import ssl
from datetime import timedelta
from typing import Final, Literal

from routing.channels.email_errors import said
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

Stage = Literal["session", "sender", "recipient", "message"]
"""How far it had come: the session before any mail, who it is from, who it is for, the mail itself."""

CLOSING: Final = 421
SIGN_IN_FIRST: Final = 530
MOVED: Final = 551
A_WHILE: Final = timedelta(minutes=5)
"""How long an address is left alone that takes nothing now: greylisting lets one in after as much."""
FULL: Final = timedelta(hours=1)
SLOWER: Final = timedelta(minutes=1)
NOBODY: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""The codes of RFC 3463 that speak of the address: 550 alone also stands for policy."""
CONGESTED: Final = "5.4.5"
"""What servers say of a daily limit."""


class HungUpError(TransientDeliveryError):
    """The server was gone before anything was said of a mail."""


def refused(stage: Stage, code: int, message: str) -> DeliveryError:
    """Say what an answer means that is no success."""
    text = said(f"{code} {message}")
    if not 400 <= code < 600:
        return lost(stage, text)
    if code == CLOSING:
        return HungUpError(text) if stage == "sender" else TransientDeliveryError(text)
    return _for_now(stage, text, _extended(message)) if code < 500 else _for_good(stage, code, text)


def lost(stage: Stage, why: str) -> DeliveryError:
    """Say what a silent or broken connection means: a mail counts as taken from its last byte on."""
    if stage == "message":
        return AmbiguousDeliveryError(why)
    return TransientDeliveryError(why)


def not_connected(error: Exception) -> DeliveryError:
    """Say what it means that no session came about, without an answer of the server."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, ssl.SSLCertVerificationError):
            return ChannelMisconfiguredError(f"the certificate of the mail server: {found.verify_message}")
        found = found.__cause__
    if isinstance(error, TimeoutError):
        return TransientDeliveryError("the mail server did not answer in time")
    if isinstance(error, OSError):
        return TransientDeliveryError("the mail server cannot be reached")
    return ChannelMisconfiguredError(said(str(error)))  # it lacks what the settings ask for


def _for_now(stage: Stage, text: str, extended: str) -> DeliveryError:
    if stage == "recipient":
        return EndpointBusyError(text, retry_after=FULL if extended == "4.2.2" else A_WHILE)
    if stage != "session" and (extended.startswith("4.7.") or text.startswith("452")):
        return QuotaExceededError(text, retry_after=SLOWER)
    return TransientDeliveryError(text)


def _for_good(stage: Stage, code: int, text: str) -> DeliveryError:
    extended = _extended(text)
    if extended == CONGESTED:
        return QuotaExceededError(text, retry_after=FULL)
    if stage in {"session", "sender"} or code == SIGN_IN_FIRST:
        return ChannelMisconfiguredError(text)
    if stage == "recipient" and (code == MOVED or extended in NOBODY):
        return EndpointGoneError(text)
    return MessageRejectedError(text)


def _extended(text: str) -> str:
    found = re.search(r"\b[245]\.\d{1,3}\.\d{1,3}\b", text)
    return found[0] if found else ""
