"""Owns who may come in at all: connections per address, and how many this process holds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from aiohttp import web

from gateways.address import client_address
from gateways.config import Limits
from gateways.limits import RateLimiter
from gateways.loopback import parse_address
from gateways.sockets.connection import ConnectRefusal

EXPLAINED: Final = 1000
"""How many refused connections may be open at a time to be told why; further ones get an HTTP status."""
MANY: Final = ConnectRefusal("rate_limited", "too many connections from your address: come back later")
FULL: Final = ConnectRefusal("overloaded", "this gateway has as many connections as it can hold")


@dataclass(frozen=True, slots=True)
class Admission:
    """How a new connection is received."""

    address: str
    refusal: ConnectRefusal | None


class Reception:
    """Counts connections."""

    def __init__(self, limits: Limits, trusted_proxies: Sequence[str]) -> None:
        self._trusted = trusted_proxies
        self._most = limits.connections
        self._by_address = RateLimiter(limits.connect_rate, limits.connect_burst, time.monotonic)
        self._open = self._refused = 0
        self.closed = False

    def admit(self, request: web.Request) -> Admission | None:
        """Receive a connection, if only to refuse it in words; None if there is no room even for that."""
        address = client_address(request, self._trusted)
        refusal = self._refusal(address)
        if self.closed or (refusal is not None and self._refused >= EXPLAINED):
            return None
        return Admission(address, refusal)

    def _refusal(self, address: str) -> ConnectRefusal | None:
        if self._by_address.take(_neighbourhood(address)) > 0:
            return MANY
        return FULL if self._open >= self._most else None

    def came(self, refusal: ConnectRefusal | None) -> None:
        self._count(refusal, 1)

    def left(self, refusal: ConnectRefusal | None) -> None:
        self._count(refusal, -1)

    def _count(self, refusal: ConnectRefusal | None, by: int) -> None:
        if refusal is None:
            self._open += by
        else:
            self._refused += by


def _neighbourhood(address: str) -> str:
    """Who shares a bucket: of IPv6 the whole /64, because one machine has all of its addresses to itself."""
    parsed = parse_address(address)
    if parsed is None:
        return address  # a listener on a socket file knows none
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(IPv6Network((int(parsed), 64), strict=False))
