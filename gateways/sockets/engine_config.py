"""Owns what all sessions of one Engine.IO server have in common."""

from dataclasses import dataclass

from gateways.sockets.timings import Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Limits, timings, and how to write."""

    timings: Timings
    max_bytes: int
    """The largest message taken, and the size up to which one poll is filled."""
    max_packets: int
    """What may wait for a client that polls too seldom."""
    max_unsent: int
    """How many bytes may wait for any client; the system's own buffer beside them is not counted."""
    prefix: str = ""
    """What the ids of all sessions here begin with."""
    direct: bool = True
    """Whether websockets go on apart from their requests, and frames straight into the transports."""
