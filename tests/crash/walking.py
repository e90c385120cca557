"""A process that walks and does nothing else, until it is killed."""

import asyncio
import os
import sys
from datetime import timedelta

from bus.outbox import Outbox
from routing.people import People
from routing.telling import Teller
from routing.walker import Walker
from schemas.clock import SystemClock
from schemas.db import create_pool


async def main(dsn: str) -> None:
    pool = await create_pool(dsn, max_size=3)
    outbox, people = Outbox(pool), People()
    walker = Walker(
        pool,
        outbox,
        Teller(outbox, people),
        people,
        SystemClock(),
        name=f"walking-{os.getpid()}",
        chunk=200,
        lease=timedelta(seconds=0.5),
    )
    await walker.run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
