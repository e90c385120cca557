"""A dispatcher process: python -m tests.crash.dispatching DSN RESEND_URL NAME"""

import asyncio
import sys
from datetime import timedelta

from bus.tasks import forever, spawn
from ops.logs import configure
from routing.dispatcher import Dispatcher, Sender
from routing.people import People
from routing.retelling import Retelling
from schemas.clock import SystemClock
from schemas.db import create_pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store.deliveries import WAKE
from tests.routing.post import MAILS, email_at


async def main(dsn: str, url: str, name: str) -> None:
    clock, listener = SystemClock(), Listener(dsn, WAKE)
    async with await create_pool(dsn) as pool:
        spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener")
        await Dispatcher(
            [Sender(channels=(email_at(url, clock),), writer=MAILS)],
            worker=name,
            pool=pool,
            listener=listener,
            tellings=Retelling(People()),
            clock=clock,
            lease=timedelta(seconds=3),
        ).run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(*sys.argv[1:]))
