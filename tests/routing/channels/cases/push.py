"""Push through FCM."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from ops.simulators.base import Message
from routing.channels.push import FcmConfig, PushChannel
from routing.writers.push import PushWriter
from schemas.clock import Clock
from tests.routing.channels.case import PUBLIC_URL, Case
from tests.simulated_fcm import fcm_simulated


@asynccontextmanager
async def case(clock: Clock, call_s: float) -> AsyncIterator[Case]:
    async with fcm_simulated() as fcm:
        channel = PushChannel(
            FcmConfig(project="demo", credentials=fcm.credentials, base_url=fcm.url, call_s=call_s), clock
        )

        def shown(_messages: Sequence[Message]) -> Sequence[Message]:
            return fcm.shown()

        yield Case(
            channel=channel,
            writer=PushWriter(PUBLIC_URL),
            behaviours=fcm.simulator.behaviours,
            messages=fcm.messages,
            address=lambda n: f"device-{n}",
            kind="token",
            shown=shown,
        )
        await channel.close()
