"""Owns `/notifications`: what concerns one person, and what concerns everyone."""

from typing import ClassVar

from gateways.sockets.namespace import Namespace


class Notifications(Namespace):
    """A person's own line."""

    name: ClassVar = "/notifications"

    def rooms_of(self, user: str) -> tuple[str, ...]:
        return (f"user:{user}", "everyone")
