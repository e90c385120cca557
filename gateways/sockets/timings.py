"""Owns how long the sockets wait for things; tests make them short."""

from dataclasses import dataclass

from gateways.config import BODY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """All in seconds."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    connect_timeout: float = 10.0
    """A connection without a namespace is closed after this time."""
    refused_linger: float = 2.0
    """The same for a connection that was refused at the door: long enough to hear why."""
    upgrade_timeout: float = 10.0
    """From the websocket of an upgrade to its last word."""
    body_timeout: float = BODY_S
    """For the whole body of one polling POST."""
    handler_timeout: float = 15.0
    """For one sign-in or one event; then the client hears of a failure."""
    close_grace: float = 5.0
    """For what is still in the buffer when we close; then the transport is cut."""
    drain_timeout: float = 8.0
    """For answers that are under way, and for all transports to close, when the process stops."""
    drain_rate: int = 2000
    """How many transports are closed in a second then: their clients come back, and not in one moment."""
    drain_spread: float = 3.0
    """For closing all transports, however many there are."""
    clock_check: float = 86_400.0
    """Timers run on another clock than tokens: how long to trust the one before looking at the other."""
    viewers_interval: float = 0.5
    """Between two viewer counts of one stream."""
    admin_interval: float = 2.0
    """Between two looks at all connections while an admin watches."""
