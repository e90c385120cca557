"""Tells people of events as the router does: what tests of the doors of notifications begin with."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from gateways.gateway import Gateway
from routing.catalog import CATALOG, said
from routing.members import ChannelKind
from routing.people import People
from routing.telling import Teller
from schemas.events.base import Event
from schemas.events.content import ContentLiked
from schemas.events.hours import HoursTipped
from schemas.ids import uuid7
from schemas.store.deliveries import Outcome
from schemas.store.endpoints import NewEndpoint

MAIL = "ann@example.com"


def tip(to: str = "ann", actor: str = "bob", amount: int = 500) -> HoursTipped:
    return HoursTipped(id=uuid4(), to=to, amount=amount, actor=actor)


def like(author: str = "ann", actor: str = "bob", content: str = "c1") -> ContentLiked:
    return ContentLiked(id=uuid4(), content_id=content, author=author, actor=actor)


async def tell(
    gateway: Gateway, event: Event, *users: str, channels: Sequence[ChannelKind] = ("email",)
) -> UUID:
    """Log an event and tell people of it; answers its id."""
    people, now = People(), gateway.clock.now()
    [entry, *_] = CATALOG[type(event)]
    async with gateway.pool.acquire() as tx, tx.transaction():
        await gateway.outbox.add(tx, event)
        notification = said(event, entry, {})
        recipients = await people.load(tx, users or ("ann",))
        teller = Teller(gateway.outbox, people, channels)
        await teller.tell(tx, notification, list(recipients.values()), now)
    return event.id


async def reachable(gateway: Gateway, user: str = "ann", address: str = MAIL) -> UUID:
    """Give somebody a mail address that is verified; answers the endpoint's id."""
    await gateway.users.greet(gateway.pool, user, name=None, tz=None)
    endpoint = NewEndpoint(id=uuid7(), user_id=user, channel="email", address=address, state="active")
    made = await gateway.notifying.endpoints.put(gateway.pool, endpoint, gateway.clock.now())
    return made.id


async def fail(gateway: Gateway, detail: str, status: str = "failed") -> UUID:
    """Let the one delivery that waits end badly; answers its id."""
    now, store = gateway.clock.now(), gateway.notifying.deliveries
    lease = timedelta(minutes=1)
    [claimed] = await store.claim(
        gateway.pool, "test", "email", now, provider="resend", lease=lease, limit=10
    )
    outcome = Outcome(id=claimed.id, status=status, outcome="rejected", detail=detail, reason="rejected")
    assert await store.finish(gateway.pool, "test", [outcome], now) == {claimed.id}
    return claimed.id
