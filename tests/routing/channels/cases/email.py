"""Mails through Resend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.clock import Clock
from tests.routing.channels.case import Case
from tests.routing.post import MAILS, email_at
from tests.simulated import resend_simulated


@asynccontextmanager
async def case(clock: Clock, call_s: float) -> AsyncIterator[Case]:
    async with resend_simulated() as resend:
        channel = email_at(resend.url, clock, call_s=call_s)
        yield Case(
            channel=channel,
            writer=MAILS,
            behaviours=resend.simulator.behaviours,
            messages=resend.messages,
            address=lambda n: f"u{n}@example.com",
            gone_is_told_later=True,
        )
        await channel.close()
