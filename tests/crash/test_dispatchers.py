"""Kill dispatchers in the middle of 5,000 deliveries: each mail is taken exactly once."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.clock import SystemClock
from schemas.db import Pool
from tests.hubprocess import ROOT
from tests.routing.house import House
from tests.routing.post import EMAIL, tips, with_address
from tests.simulated import Resend, resend_simulated
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

COUNT = 5000


@asynccontextmanager
async def dispatcher(dsn: str, url: str, name: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.crash.dispatching", dsn, url, name, cwd=ROOT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def arrived(resend: Resend, count: int) -> None:
    async def enough() -> bool:
        return len(resend.messages) >= count

    await until(enough, within_s=60)


async def test_no_mail_is_lost_or_sent_twice(database: str, pool: Pool) -> None:
    house = await House(database, pool, channels=EMAIL).begin()
    house.clock.moment = SystemClock().now()
    users = [f"u{n:04}" for n in range(COUNT)]
    await with_address(pool, *users)
    await house.told(*tips(users))

    async def all_sent() -> bool:
        return bool(await pool.fetchval("SELECT count(*) = $1 FROM deliveries WHERE status = 'sent'", COUNT))

    async with resend_simulated(rate=20) as resend:
        resend.behave("timeout_after", "u2000@example.com", times=1)
        async with dispatcher(database, resend.url, "first") as first:
            await arrived(resend, COUNT // 10)
            first.send_signal(signal.SIGKILL)
        async with dispatcher(database, resend.url, "second") as second:
            await arrived(resend, COUNT // 2)
            async with dispatcher(database, resend.url, "third"):
                second.send_signal(signal.SIGKILL)
                await until(all_sent, within_s=90)
        assert sorted(one.address for one in resend.messages) == [f"{user}@example.com" for user in users]
    await house.end()
