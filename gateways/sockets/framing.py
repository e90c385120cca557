"""Owns the frames made for clients that come back: whoever else comes back then gets the same bytes."""

from typing import Final

from bus.base import Target
from gateways.sockets import frames

FRAME_BYTES: Final = 50
"""What a frame adds to its packet, at most."""
MAX_BYTES: Final = 4 << 20
"""How much is held, beside the history: when it is full, all of it is forgotten, and made again if needed."""
MADE_BYTES: Final = 400
"""What a frame costs beside its own bytes and its packet's."""


class Framing:
    """Frames with their offsets, each made when the first client needs it."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._made: dict[int, tuple[Target, bytes]] = {}
        """By the target's identity, which is nobody else's as long as the target is held here, too."""
        self._size = 0

    def clear(self) -> None:
        self._made.clear()
        self._size = 0

    def bytes_at_most(self, target: Target) -> int:
        made = self._made.get(id(target))
        return len(target.packet) + FRAME_BYTES if made is None else len(made[1])

    def frame(self, target: Target) -> bytes:
        made = self._made.get(id(target))
        return self._make(target) if made is None else made[1]

    def _make(self, target: Target) -> bytes:
        frame = frames.numbered(target.namespace, target.packet, target.seq)
        if self._size > self._max_bytes:
            self.clear()
        self._size += len(frame) + len(target.packet) + MADE_BYTES
        self._made[id(target)] = target, frame
        return frame
