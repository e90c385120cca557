"""A delivery that a provider took, and of which it tells later."""

from uuid import UUID

from schemas.clock import SystemClock
from schemas.db import Pool
from schemas.ids import uuid7
from schemas.store.deliveries import Deliveries, NewDelivery


async def taken(pool: Pool, channel: str, address: str, provider: str, ref: str) -> UUID:
    """Store a sent delivery that the provider knows as `ref`."""
    now, key = SystemClock().now(), uuid7()
    new = NewDelivery(
        id=key,
        user_id="ann",
        event_id=uuid7(),
        notification_id=uuid7(),
        topic="tips",
        priority=0,
        channel=channel,
        endpoint_id=uuid7(),
        address=address,
        status="sent",
        due_at=now,
        created_at=now,
    )
    async with pool.acquire() as tx, tx.transaction():
        await Deliveries().insert(tx, [new])
        await tx.execute("UPDATE deliveries SET provider = $1, provider_ref = $2", provider, ref)
    return key
