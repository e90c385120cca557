"""Owns how an address is shown to others: enough of it to recognise one's own, too little to write to."""

import re
from typing import Final

SHORT: Final = 8
ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"'`,;:@]+@[^\s<>()\[\]\"'`,;:@]+")


def masked(channel: str, address: str) -> str:
    """A part of the address, such as `a…@example.com` or `+49…78`."""
    if channel == "email":
        local, at, domain = address.rpartition("@")
        return f"{local[:1]}…{at}{domain}"
    if channel == "sms":
        return f"{address[:3]}…{address[-2:]}"
    return "…" + (address[-4:] if len(address) > SHORT else "")


def without(address: str, channel: str, text: str | None) -> str | None:
    """A provider's words, which may repeat the address, spelled in another way perhaps."""
    if not text:
        return text
    hidden = masked(channel, address)
    return without_mail_addresses(re.sub(re.escape(address), lambda _: hidden, text, flags=re.IGNORECASE))


def without_mail_addresses(text: str) -> str:
    """Whatever looks like one: a mail that was passed on comes back from an address we never heard of."""
    return ADDRESS.sub(lambda found: masked("email", found[0]), text)
