"""A process that sends digests on their way and does nothing else, until it is killed."""

import asyncio
import sys
from datetime import datetime

from routing.people import People
from routing.scheduler import Scheduler
from schemas.db import create_pool
from tests.routing.house import FakeClock


async def main(dsn: str, now: str) -> None:
    clock = FakeClock(datetime.fromisoformat(now))
    await Scheduler(await create_pool(dsn, max_size=2), People(clock), clock, at_once=50).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
