"""Owns what an address is, and whether it leads to this machine."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine; a rebound DNS name does not, whatever it resolves to."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    address = parse_address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def is_loopback_url(url: str) -> bool:
    """Whether an address leads to this machine."""
    try:
        return is_loopback_host(urlsplit(url).netloc)
    except ValueError:
        return False


def parse_address(text: str) -> Address | None:
    """An address, without the port or brackets some proxies add; an IPv4 one in IPv6 dress is IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
