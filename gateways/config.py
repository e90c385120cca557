"""Owns what the doors need to know about their surroundings; `ops.settings` fills it in."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

BODY_S: Final = 30.0
"""How long the body of a request may take to come, at whichever door."""


class Limits(BaseModel):
    """Rates are per second; each comes with the burst it allows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    publish_rate: float = Field(1000, gt=0)
    publish_burst: int = Field(2000, gt=0)
    user_rate: float = Field(50, gt=0)
    user_burst: int = Field(200, gt=0)
    service_rate: float = Field(500, gt=0)
    service_burst: int = Field(1000, gt=0)
    socket_event_rate: float = Field(20, gt=0, description="a large event counts as several: one per 16 KiB")
    socket_event_burst: int = Field(60, gt=0)
    socket_in_flight: int = Field(16, gt=0, description="events of one connection handled at a time")
    socket_rooms: int = Field(500, gt=0, description="rooms of one connection in one namespace")
    socket_buffer: int = Field(256, gt=0, description="packets waiting for one slow reader")
    connect_rate: float = Field(100, gt=0, description="connects per address")
    connect_burst: int = Field(1000, gt=0)
    connections: int = Field(50_000, gt=0, description="open connections of one process")
    body_bytes: int = Field(1_000_000, gt=0)
    batch: int = Field(1000, gt=0, le=10_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What one gateway process is told at start."""

    limits: Limits
    public_url: str | None = None
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    dev_secret: str | None = None
    """Signs the tokens of the development sign-in; None (production) leaves that door out."""


def check_networks(trusted: Sequence[str]) -> None:
    """Raise ValueError naming the first trusted proxy that is no network."""
    for one in trusted:
        try:
            ip_network(one, strict=False)
        except ValueError:
            raise ValueError(f"{one!r} is not a network of proxies such as 10.0.0.0/8") from None
