"""Owns what is known of one connection, and of each namespace it has signed in to."""

import asyncio
from dataclasses import dataclass, field

from gateways.auth import Principal
from gateways.sockets.closing import Closing
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.lanes import Lanes


@dataclass(frozen=True, slots=True)
class ConnectRefusal:
    """Why a namespace is not connected: what the client reads in `connect_error`."""

    code: str
    message: str


class ConnectRefusedError(Exception):
    """A namespace is not connected."""

    def __init__(self, refusal: ConnectRefusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(slots=True, eq=False)
class Connection:
    """One client's connection, which may hold several namespaces."""

    socket: EngineSocket
    address: str
    lanes: Lanes
    refusal: ConnectRefusal | None = None
    """Set at the door; every namespace of this connection is refused with it."""
    sessions: dict[str, "Session"] = field(default_factory=dict)
    deadline: asyncio.TimerHandle | None = None
    malformed: int = 0
    attachments: int = 0
    """How many attachments of a refused binary packet are still to come, and to be thrown away."""
    draining: bool = False

    @property
    def sid(self) -> str:
        return self.socket.sid

    def start_deadline(self, seconds: float, closing: Closing) -> None:
        """Close the connection after a while, unless the deadline is stopped."""
        self.stop_deadline()
        self.deadline = asyncio.get_running_loop().call_later(seconds, self.socket.close, closing)

    def stop_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()


@dataclass(slots=True, eq=False)
class Session:
    """One namespace of one connection, signed in."""

    sid: str
    namespace: str
    connection: Connection
    principal: Principal
    rooms: set[str] = field(default_factory=set)
    expiry: asyncio.TimerHandle | None = None

    @property
    def user(self) -> str:
        return self.principal.id
