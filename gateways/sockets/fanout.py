"""Owns the last step of a packet: from the bus to the buffers of the sockets that are meant."""

from collections.abc import Callable, Mapping

from bus.base import PushEntry, Target
from bus.telemetry import DELIVERIES, SIGNALS_DROPPED
from gateways.sockets import frames
from gateways.sockets.membership import Membership

Control = Callable[..., object]


class Fanout:
    """Builds each frame once and gives the same bytes to everyone; the packet in it is not read.

    Nothing here waits: order is kept for each socket, and a slow one cannot hold up the others.
    """

    def __init__(self, membership: Membership, controls: Mapping[str, Control]) -> None:
        self._membership = membership
        self._controls = controls

    def deliver(self, entry: PushEntry) -> None:
        """Deliver an entry of the push stream: packets, or words to obey."""
        for word, *arguments in entry.controls:
            control = self._controls.get(word)  # one that only a newer gateway knows is for that one
            if control is not None:
                control(*arguments)
        for target in entry.targets:
            self._send(target, droppable=False)

    def signal(self, target: Target) -> None:
        """Deliver a signal: those who are behind go without."""
        self._send(target, droppable=True)

    def _send(self, target: Target, *, droppable: bool) -> None:
        members = self._membership.members(target.namespace, target.rooms)
        if not members:
            return
        frame = frames.event(target.namespace, target.packet)
        sent = sum(session.connection.socket.send(frame, droppable=droppable) for session in members)
        DELIVERIES.labels(target.namespace).inc(sent)
        if droppable:
            SIGNALS_DROPPED.inc(len(members) - sent)
