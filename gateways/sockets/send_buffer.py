"""Owns what waits for a client without a websocket: the packets for its next poll."""

import asyncio
from collections import deque

from gateways.sockets import frames


class Spared(bytes):
    """A packet that nobody is slow for."""

    __slots__ = ()


class SendBuffer:
    """Packets in the order they were put in; one reader at a time waits for them."""

    __slots__ = ("_changed", "_packets", "_spared", "size", "spared_size")

    def __init__(self) -> None:
        self._packets: deque[bytes] = deque()
        self._changed = asyncio.Event()
        self.size = 0
        """In bytes."""
        self.spared_size = 0
        """How many of them do not count as waiting."""
        self._spared = 0

    def __len__(self) -> int:
        return len(self._packets)

    def put(self, joined: bytes) -> None:
        """Put in the packets of some frames."""
        for packet in frames.packets(joined):
            self.put_packet(packet)

    def put_spared(self, joined: bytes) -> None:
        """Put in packets that nobody is slow for: a client that comes back could not take them before."""
        for packet in frames.packets(joined):
            self.put_packet(Spared(packet))
            self._spared += 1
            self.spared_size += len(packet)

    @property
    def waiting(self) -> int:
        """How many packets wait that are not spared."""
        return len(self._packets) - self._spared

    def put_packet(self, packet: bytes) -> None:
        self._packets.append(packet)
        self.size += len(packet)
        self._changed.set()

    def _pop(self) -> bytes:
        packet = self._packets.popleft()
        self.size -= len(packet)
        if isinstance(packet, Spared):
            self._spared -= 1
            self.spared_size -= len(packet)
        return packet

    def take(self, most: int) -> list[bytes]:
        """Take packets of `most` bytes together, but at least one."""
        taken = [self._pop()]
        total = len(taken[0])
        while self._packets and total + len(self._packets[0]) <= most:
            taken.append(self._pop())
            total += len(taken[-1])
        return taken

    def take_frames(self) -> bytes:
        """Take everything, framed for a websocket."""
        taken = b"".join(map(frames.again, self._packets))
        self.clear()
        return taken

    def clear(self) -> None:
        self._packets.clear()
        self.size = self._spared = self.spared_size = 0

    def wake(self) -> None:
        """Let the reader look around although nothing was put in."""
        self._changed.set()

    async def changed(self) -> None:
        """Wait for a packet, or to be woken."""
        if not self._packets:
            await self._changed.wait()
        self._changed.clear()
