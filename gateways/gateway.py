"""Owns what every door of one process shares: `Gateway`, filled in by ops.wiring."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import asyncpg

from bus.outbox import Outbox
from bus.push_log import PushTail
from bus.signals import Signals
from bus.viewers import ViewerCounts
from gateways.auth import Authenticator
from gateways.config import GatewayConfig
from schemas.clock import Clock
from schemas.store.events import EventLog
from schemas.store.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The parts a door calls; it builds none of them itself."""

    name: str
    """Of this process, unique among all."""
    config: GatewayConfig
    clock: Clock
    auth: Authenticator
    pool: asyncpg.Pool
    outbox: Outbox
    events: EventLog
    users: Users
    push: PushTail
    signals: Signals
    viewers: ViewerCounts
    readiness: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Name of a dependency → a check that raises when it does not answer."""
