"""Owns a packet as it is kept, and the frames made for clients that come back: all get the same bytes."""

from typing import Final

from gateways.sockets import frames

FRAME_BYTES: Final = 50
"""What a frame adds to its packet, at most."""
MAX_BYTES: Final = 4 << 20
"""How much is held, beside the history: when it is full, all of it is forgotten, and made again if needed."""
MADE_BYTES: Final = 400
"""What a frame costs beside its own bytes and its packet's."""
NUMERAL_BYTES: Final = 8
"""What a packet that is kept begins with: the number of its entry, the most significant byte first."""


def numeral(seq: int) -> bytes:
    return seq.to_bytes(NUMERAL_BYTES)


def number(packet: bytes) -> int:
    """The number of a packet that is kept, or of a numeral alone."""
    return int.from_bytes(packet[:NUMERAL_BYTES])


def content(packet: bytes) -> bytes:
    return packet[NUMERAL_BYTES:]


class Framing:
    """Frames with their offsets, each made when the first client needs it."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._made: dict[int, tuple[bytes, bytes]] = {}
        """By the packet's identity, which is nobody else's as long as the packet is held here, too."""
        self._size = 0

    def clear(self) -> None:
        self._made.clear()
        self._size = 0

    def bytes_at_most(self, packet: bytes) -> int:
        made = self._made.get(id(packet))
        return len(packet) - NUMERAL_BYTES + FRAME_BYTES if made is None else len(made[1])

    def frame(self, namespace: str, packet: bytes) -> bytes:
        made = self._made.get(id(packet))
        return self._make(namespace, packet) if made is None else made[1]

    def _make(self, namespace: str, packet: bytes) -> bytes:
        frame = frames.numbered(namespace, content(packet), number(packet))
        if self._size > self._max_bytes:
            self.clear()
        self._size += len(frame) + len(packet) + MADE_BYTES
        self._made[id(packet)] = packet, frame
        return frame
