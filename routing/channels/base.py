"""Owns the port that every channel fills, and what goes in and comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Protocol, TypeAlias, runtime_checkable

from routing.errors import DeliveryError
from routing.model import ChannelKind, Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A message in the form it is read in; a channel leaves out what it has no place for."""

    title: str
    text: str
    html: str | None = None
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None


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


KEYLESS: Final[frozenset[ChannelKind]] = frozenset({"sms", "telegram"})
"""Whose providers know no key: what may have been taken there is never repeated by itself."""


class Channel(Protocol):
    """A provider that takes one message at a time."""

    kind: ClassVar[ChannelKind]
    provider: ClassVar[str]

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
class BatchChannel(Channel, Protocol):
    """A provider that takes many messages in one call, under one key."""

    most: ClassVar[int]

    def prepare(self, message: Rendered, address: str, *, key: str) -> Mail:
        """Write the message as it will be stored and sent; `key` comes back in what is told of it later."""
        ...

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        """Deliver once per `key`, one outcome for each; raises DeliveryError when it failed as a whole."""
        ...
