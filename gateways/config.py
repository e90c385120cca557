"""Owns what the doors need to know about their surroundings; `ops.settings` fills it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

BODY_S: Final = 30.0
"""How long the body of a request may take to come, at whichever door."""


class Limits(BaseModel):
    """Of one process each; rates are per second, and each comes with the burst it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    publish_rate: float = Field(1000, gt=0, description="POST /v1/events a second, of one token")
    publish_burst: int = Field(2000, gt=0, description="POST /v1/events at once, of one token")
    user_rate: float = Field(50, gt=0, description="other requests a second, of one user")
    user_burst: int = Field(200, gt=0, description="other requests at once, of one user")
    service_rate: float = Field(500, gt=0, description="the same, of one who may publish")
    service_burst: int = Field(1000, gt=0, description="the same at once, of one who may publish")
    socket_event_rate: float = Field(
        20,
        gt=0,
        description="events a second that one connection may send; a large one counts once per 16 KiB",
    )
    socket_event_burst: int = Field(60, gt=0, description="events at once that one connection may send")
    socket_in_flight: int = Field(16, gt=0, description="events of one connection handled at a time")
    socket_rooms: int = Field(500, gt=0, description="rooms of one connection in one namespace")
    socket_room_bytes: int = Field(
        32 << 10,
        gt=0,
        description="bytes of the names of those rooms together, which are stored anew with each change",
    )
    socket_buffer: int = Field(256, gt=0, description="packets waiting for one client that polls")
    socket_unsent_bytes: int = Field(
        1 << 20,
        gt=0,
        description="bytes waiting for one slow reader, who is cut beyond it; a client that comes back is"
        " given as much again of what it missed, and begins afresh where it missed more",
    )
    recovery_bytes: int = Field(
        64 << 20, gt=0, description="bytes of memory for packets kept for those who come back"
    )
    connect_rate: float = Field(
        100, gt=0, description="new socket connections a second, of one address (of IPv6 one /64)"
    )
    connect_burst: int = Field(1000, gt=0, description="new socket connections at once, of one address")
    connections: int = Field(
        50_000, gt=0, description="open socket connections of one process; of all connections, twice as many"
    )
    body_bytes: int = Field(
        1_000_000, gt=0, description="bytes of the body of a request, and of a packet of a socket"
    )
    batch: int = Field(1000, gt=0, le=10_000, description="events in one request")
    codes_per_person: int = Field(
        10, gt=0, description="codes and links, to prove addresses, that one person may ask for in an hour"
    )
    codes_per_address: int = Field(
        5, gt=0, description="the same, that reach one address in an hour, whoever asks"
    )
    codes_per_person_a_day: int = Field(30, gt=0, description="the same of one person in a day")
    codes_per_address_a_day: int = Field(10, gt=0, description="the same to one address in a day")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What one gateway process is told at start."""

    limits: Limits
    public_url: str | None = None
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    recovery_window: float = 120
    """How long, in seconds, a client that is gone may come back to what it missed."""
    session_prefix: str = ""
    """What the ids of socket sessions begin with: by it several workers are told apart."""
    shared_metrics: Path | None = None
    """Where the workers of one `hub serve` keep their numbers, if there are several."""
    webhook_secrets: Mapping[str, str] = field(default_factory=dict)
    """Of each provider that is configured, what it signs its webhooks with."""
    webhook_accounts: Mapping[str, str] = field(default_factory=dict)
    """Of each provider that says for which account it speaks, the name of ours."""
    simulators: Mapping[str, str] = field(default_factory=dict)
    """Where the simulators of this machine listen, by name; what they got is shown in development only."""
    channels: tuple[str, ...] = ("push", "sms", "email", "telegram")
    """What this deployment sends on, beside the inbox."""
    telegram_bot: str | None = None
    """The number of the bot that links lead to."""
    dev_secret: str | None = None
    """Signs the tokens of the development sign-in; None (production) leaves that door out."""


def check_networks(trusted: Sequence[str]) -> None:
    """Raise ValueError naming the first trusted proxy that is no network."""
    for one in trusted:
        try:
            ip_network(one, strict=False)
        except ValueError:
            raise ValueError(f"{one!r} is not a network of proxies such as 10.0.0.0/8") from None
