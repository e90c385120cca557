"""Owns the port that every channel fills, and what goes in and comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

from routing.errors import DeliveryError
from routing.model import ChannelKind, Content, Endpoint, Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A message in the form it is read in; a channel leaves out what it has no place for."""

    title: str
    text: str
    html: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    topic: str | None = None
    urgent: bool = False
    badge: int | None = None
    """How many notifications are unread, this one among them."""
    group: str | None = None
    """Messages of one group are shown together, where the channel can do so."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider took the message; `ref` is its name for it, by which it speaks of it later."""

    ref: str


@dataclass(frozen=True, slots=True)
class Pace:
    """What the provider said about its limit: requests a second, how many are left, and for how long."""

    rate: float
    left: int | None = None
    reset_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message for one endpoint, under the key of its delivery."""

    message: Rendered
    to: Endpoint
    key: str


class UnwritableError(Exception):
    """The channel cannot carry this content; says in one sentence why, without the content."""


class Writer(Protocol):
    """Says how content reads on a channel."""

    def write(self, content: Content, to: Endpoint, recipient: Recipient, unread: int) -> Rendered:
        """Raises UnwritableError for what the channel cannot carry."""
        ...


class Channel(Protocol):
    """A provider that takes one message in a call; several calls may be under way at once."""

    kind: ClassVar[ChannelKind]
    keyed: ClassVar[bool]
    """Whether a repeat under the same key is taken, or shown, only once.

    Without that, what may have been taken is never repeated by itself.
    """
    most: ClassVar[int]
    """How many messages a lane claims, and has under way, at once."""

    @property
    def provider(self) -> str:
        """The account: fcm, twilio, twilio_fallback, …"""
        ...

    @property
    def pace(self) -> Pace: ...

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        """Deliver once per `key`. Raises only DeliveryError subclasses."""
        ...

    async def close(self) -> None:
        """Give back all connections."""
        ...


Mail: TypeAlias = Mapping[str, Any]
"""A message as the provider takes it: JSON, stored before it is sent so that a repeat is the very same."""
Outcome: TypeAlias = Receipt | DeliveryError


@runtime_checkable
class ManyChannel(Channel, Protocol):
    """A provider whose library takes many messages at once, each with an outcome of its own."""

    async def send_many(self, messages: Sequence[Addressed]) -> list[Outcome]:
        """Deliver each once per its key, one outcome for each in their order.

        Raises DeliveryError when it failed as a whole.
        """
        ...


@runtime_checkable
class BatchChannel(Channel, Protocol):
    """A provider that takes many messages in one call, under one key, all or none."""

    def prepare(self, message: Rendered, address: str, *, key: str) -> Mail:
        """Write the message as it will be stored and sent; `key` comes back in what is told of it later."""
        ...

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        """Deliver once per `key`, one outcome for each; raises DeliveryError when it failed as a whole."""
        ...
