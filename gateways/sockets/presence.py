"""Owns `/presence`: who is here."""

from typing import ClassVar

from gateways.sockets.namespace import Namespace


class Presence(Namespace):
    """Who is here."""

    name: ClassVar = "/presence"

    def rooms_of(self, user: str) -> tuple[str, ...]:
        return (f"user:{user}",)
