"""Owns where a request comes from: the caller's address, and whether its Origin is welcome."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bus.seldom import Seldom
from gateways.loopback import parse_address

Network = IPv4Network | IPv6Network

MAX_HOPS = 20
MOST_SHOWN = 200

say = Seldom(structlog.get_logger(__name__), every_s=60)  # strangers decide how often there is reason to


def client_address(request: web.Request, trusted: Sequence[str]) -> str:
    """The address of the caller: the last hop that is not one of our own proxies.

    X-Forwarded-For is read from the right, because each proxy appends whom it saw; everything left of
    the first address we don't trust was written by the caller and may be invented.
    """
    peer = request.remote or ""
    networks = _networks(tuple(trusted))
    if not _within(peer, networks):
        return peer
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    seen = peer
    for hop in reversed(hops[-MAX_HOPS:]):
        address = parse_address(hop.strip())
        if address is None:
            break
        seen = str(address)
        if not _within(seen, networks):
            break
    return seen


def origin_allowed(request: web.Request, allowed: Collection[str], public_url: str | None = None) -> bool:
    """Whether the request has no Origin, comes from our own pages, or from an origin on the list."""
    origin = request.headers.get("Origin")
    if origin is None or "*" in allowed:
        return True
    origin = origin.rstrip("/").lower()
    if origin in {one.rstrip("/").lower() for one in allowed} or same_origin(request, origin, public_url):
        return True
    say(
        "pages of this origin may not use the hub",
        origin=origin[:MOST_SHOWN],
        do=(
            "open the page from a web server: one from a file or in a sandbox has no origin to allow"
            if origin == "null"
            else "if they should, add it to HUB_ALLOWED_ORIGINS"
        ),
    )
    return False


def same_origin(request: web.Request, origin: str, public_url: str | None = None) -> bool:
    """Whether `origin` is the one our own pages have.

    Only host and port are compared with the Host header: behind a proxy that ends TLS we see http
    where the browser sees https.
    """
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    if public_url is not None:
        public = urlsplit(public_url)
        if (parts.scheme, parts.netloc.lower()) == (public.scheme, public.netloc.lower()):
            return True
    return parts.netloc.lower() == request.host.lower()


def came_through_a_proxy(request: web.Request) -> bool:
    """Whether any header says that someone passed the request on, so that our peer is not the caller."""
    return any(
        name.lower() in ("forwarded", "via", "x-real-ip") or name.lower().startswith("x-forwarded-")
        for name in request.headers
    )


@lru_cache(maxsize=16)
def _networks(trusted: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(one, strict=False) for one in trusted)


def _within(address: str, networks: Sequence[Network]) -> bool:
    parsed = parse_address(address)
    return parsed is not None and any(parsed in network for network in networks)
