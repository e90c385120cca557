"""Owns `/messages`: the conversations of one person."""

from typing import ClassVar

from gateways.sockets.namespace import Namespace


class Messages(Namespace):
    """A person's conversations."""

    name: ClassVar = "/messages"

    def rooms_of(self, user: str) -> tuple[str, ...]:
        return (f"user:{user}",)
