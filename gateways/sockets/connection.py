"""Owns what is known of one connection, and of each namespace it has signed in to."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from gateways.auth import Principal
from gateways.limits import Bucket
from gateways.sockets.closing import Closing
from gateways.sockets.engine_socket import EngineSocket
from gateways.sockets.lanes import Lanes

RefusalCode = Literal["unauthorized", "forbidden", "rate_limited", "overloaded"]


@dataclass(frozen=True, slots=True)
class ConnectRefusal:
    """Why a namespace is not connected: what the client reads in `connect_error`."""

    code: RefusalCode
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
    opened_at: float = field(default_factory=time.time)
    sessions: dict[str, "Session"] = field(default_factory=dict)
    deadline: asyncio.TimerHandle | None = None
    malformed: int = 0
    given_back: int = 0
    """How many bytes it was given that it had missed, in all namespaces."""
    attachments: int = 0
    """How many attachments of a binary packet are still to come."""
    gathering: Any = None
    """The packet they belong to; None if it was refused and they are thrown away."""
    draining: bool = False
    allowance: Bucket | None = None
    """What it may send; made with its first packet."""
    patience: Bucket | None = None
    """How much of what is refused it may send; made with the first that is."""
    leaving: frozenset[str] = frozenset()
    """Namespaces that the client has left, while what it asked for before is still being done."""

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
            self.deadline = None


@dataclass(slots=True, eq=False)
class Session:
    """One namespace of one connection, signed in."""

    sid: str
    namespace: str
    connection: Connection
    principal: Principal
    pid: str = ""
    """What the client shows when it comes back; empty if it did not ask for recovery."""
    rooms: dict[str, int] = field(default_factory=dict)
    """Room: the number after which its entries are for this session."""
    expiry: asyncio.TimerHandle | None = None
    recovers: bool = field(init=False)

    def __post_init__(self) -> None:
        self.recovers = bool(self.pid)

    @property
    def user(self) -> str:
        return self.principal.id
