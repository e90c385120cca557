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
from routing.consent import Consents, Links
from routing.inbox import Inbox
from schemas.clock import Clock
from schemas.store.consent import ConsentLedger
from schemas.store.decisions import Decisions
from schemas.store.deliveries import Deliveries
from schemas.store.digests import Digests
from schemas.store.endpoints import Endpoints
from schemas.store.events import EventLog
from schemas.store.notifications import Notifications
from schemas.store.preferences import PreferenceDocuments
from schemas.store.users import Users


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifying:
    """What the doors of notifications call."""

    inbox: Inbox
    consents: Consents
    links: Links
    """Of mails, to unsubscribe by: signed as whoever sends the mails signs them."""
    preferences: PreferenceDocuments = field(default_factory=PreferenceDocuments)
    endpoints: Endpoints = field(default_factory=Endpoints)
    ledger: ConsentLedger = field(default_factory=ConsentLedger)
    notifications: Notifications = field(default_factory=Notifications)
    decisions: Decisions = field(default_factory=Decisions)
    deliveries: Deliveries = field(default_factory=Deliveries)
    digests: Digests = field(default_factory=Digests)


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
    notifying: Notifying
    readiness: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Name of a dependency → a check that raises when it does not answer."""
