"""Owns the last step of a packet: from the bus to the transports of the sockets that are meant."""

from collections.abc import Callable, Mapping, Sequence

from bus.base import PushEntry, Target
from bus.telemetry import DELIVERIES, SIGNALS_DROPPED
from gateways.sockets import frames
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.membership import Membership

Control = Callable[..., object]


class Run:
    """Consecutive packets for the same rooms: framed once, in at most two forms, joined into one piece."""

    __slots__ = ("_numbered", "_packets", "_plain", "target")

    def __init__(self, target: Target) -> None:
        self.target = target
        self._packets: list[tuple[int, bytes]] = []
        self._plain = self._numbered = b""

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def namespace(self) -> str:
        return self.target.namespace

    def add(self, seq: int, packet: bytes) -> None:
        self._packets.append((seq, packet))

    def frames(self, *, numbered: bool) -> bytes:
        """The packets as one piece: with offsets for those who asked for recovery."""
        if numbered:
            if not self._numbered:
                name = self.namespace
                self._numbered = joined([frames.numbered(name, one, seq) for seq, one in self._packets])
            return self._numbered
        if not self._plain:
            name = self.namespace
            self._plain = joined([frames.event(name, one) for _, one in self._packets])
        return self._plain


class Fanout:
    """Builds each frame once and gives the same bytes to everyone; the packet in it is not read.

    Words are known by their name and the number of their arguments.

    Nothing here waits: order is kept for each socket, and a slow one cannot hold up the others.
    """

    def __init__(self, membership: Membership, controls: Mapping[tuple[str, int], Control]) -> None:
        self._membership = membership
        self._controls = controls

    def deliver(self, entries: Sequence[PushEntry]) -> None:
        """Deliver what was read from the push stream: packets, or words to obey."""
        found: list[Run] = []
        places = self._membership.places()
        for entry in entries:
            for target in entry.targets:
                # The name of several rooms is no place.
                if target.name in places or (target.several and not places.isdisjoint(target.several)):
                    if not found or found[-1].target.name != target.name:
                        found.append(Run(target))
                    found[-1].add(entry.seq, target.packet)
            if entry.controls:  # what came before is not touched by it
                self._send(found)
                found = []
                self._obey(entry)
        self._send(found)

    def _obey(self, entry: PushEntry) -> None:
        for word, *arguments in entry.controls:
            control = self._controls.get((word, len(arguments)))
            if control is not None:  # else it is for newer gateways
                control(entry.seq, *arguments)

    def _send(self, found: Sequence[Run]) -> None:
        if len(found) == 1:
            self._send_one(found[0])
            return
        # A socket that is in several of the rooms gets all of them in one piece.
        pieces: dict[EngineSocket, tuple[list[Run], list[bytes]]] = {}
        for run in found:
            for numbered, sockets in self._membership.members(run.target):
                piece = run.frames(numbered=numbered)
                for socket in sockets:
                    of_socket = pieces.get(socket)
                    if of_socket is None:
                        pieces[socket] = [run], [piece]
                    else:
                        of_socket[0].append(run)
                        of_socket[1].append(piece)
        sent: dict[str, int] = {}
        for socket, (parts, bytes_of_it) in pieces.items():
            if socket.send(joined(bytes_of_it)):
                for run in parts:
                    sent[run.namespace] = sent.get(run.namespace, 0) + len(run)
        for namespace, packets in sent.items():
            DELIVERIES.labels(namespace).inc(packets)

    def _send_one(self, run: Run) -> None:
        sent = 0
        for numbered, sockets in self._membership.members(run.target):
            piece = run.frames(numbered=numbered)
            for socket in sockets:
                sent += socket.send(piece)
        if sent:
            DELIVERIES.labels(run.namespace).inc(sent * len(run))

    def signal(self, target: Target) -> None:
        """Deliver a signal: those who are behind go without."""
        members = [socket for _, sockets in self._membership.members(target) for socket in sockets]
        if not members:
            return
        frame = frames.event(target.namespace, target.packet)
        sent = sum(socket.send(frame, droppable=True) for socket in members)
        DELIVERIES.labels(target.namespace).inc(sent)
        SIGNALS_DROPPED.inc(len(members) - sent)


def joined(parts: Sequence[bytes]) -> bytes:
    """One piece; of a single part no copy is made."""
    return parts[0] if len(parts) == 1 else b"".join(parts)
