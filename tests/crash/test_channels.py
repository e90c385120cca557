"""Kill senders in the middle of 5,000 deliveries over all channels: nothing comes twice or vanishes."""

import signal
from collections import Counter

import pytest

from routing.channels.sms import SmsChannel
from routing.channels.telegram import TelegramChannel
from routing.dispatcher import LANES
from routing.model import ChannelKind
from schemas.clock import SystemClock
from schemas.db import Pool
from tests.crash.providers import ALL, Providers, sender
from tests.routing.house import House
from tests.routing.post import tips, with_address
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

COUNT = 1250
ADDRESSES = """
INSERT INTO endpoints (id, user_id, channel, address, kind, state)
SELECT gen_random_uuid(), u.name, c.channel, format(c.form, lpad(u.n::text, 4, '0')), c.kind, 'active'
FROM unnest($1::text[]) WITH ORDINALITY AS u (name, n)
CROSS JOIN (VALUES ('push', 'device-%s', 'token'), ('sms', '+1555100%s', NULL), ('telegram', '77%s', NULL))
     AS c (channel, form, kind)
"""
WANT_SMS = "INSERT INTO preferences (user_id, document) SELECT u, $2 FROM unnest($1::text[]) AS u"
EXPLAINED = ("lease_ran_out", "ambiguous")
KILLS = 2
SILENCES = 3
AT_RISK: dict[ChannelKind, int] = {
    "push": 0,
    "email": 0,
    "sms": KILLS * LANES * SmsChannel.most + SILENCES,
    "telegram": KILLS * LANES * TelegramChannel.most + SILENCES,
}
"""What was under way when a sender was killed, and what was answered by silence; a key knows better."""


async def tipped(house: House, users: list[str]) -> None:
    await with_address(house.pool, *users)
    await house.pool.execute(ADDRESSES, users)
    await house.pool.execute(WANT_SMS, users, {"channels": {"sms": {"enabled": True}}})
    await house.told(*tips(users))


async def test_nothing_is_shown_twice_and_what_is_missing_is_explained(
    database: str, pool: Pool, providers: Providers
) -> None:
    house = await House(database, pool, channels=ALL).begin()
    house.clock.moment = SystemClock().now()
    await tipped(house, [f"u{n:04}" for n in range(COUNT)])
    assert await pool.fetchval("SELECT count(*) FROM deliveries") == 4 * COUNT
    for provider in (providers.fcm, providers.twilio, providers.resend, providers.telegram):
        provider.behave("timeout_after", times=SILENCES)

    async def settled() -> bool:
        left = "SELECT count(*) FROM deliveries WHERE status IN ('queued', 'held', 'sending')"
        return not await pool.fetchval(left)

    told = providers.told(database)
    async with sender("first", told) as first:
        await providers.arrived(COUNT // 2)
        first.send_signal(signal.SIGKILL)
    async with sender("second", told) as second:
        await providers.arrived(2 * COUNT)
        async with sender("third", told):
            second.send_signal(signal.SIGKILL)
            await until(settled, within_s=150)
    for channel in ALL:
        await _check(pool, channel, providers.shown(channel))
    await house.end()


async def _check(pool: Pool, channel: ChannelKind, shown: Counter[str]) -> None:
    rows = await pool.fetch("SELECT address, status, reason FROM deliveries WHERE channel = $1", channel)
    assert len(rows) == COUNT
    assert set(shown.values()) == {1}
    unknown = {row["address"] for row in rows if row["status"] == "unknown"}
    assert {row["address"] for row in rows if row["status"] == "sent"} == set(shown) - unknown
    assert {row["reason"] for row in rows if row["status"] == "unknown"} <= {*EXPLAINED}
    assert len(unknown) + sum(row["status"] == "sent" for row in rows) == COUNT
    assert len(unknown) <= AT_RISK[channel]
