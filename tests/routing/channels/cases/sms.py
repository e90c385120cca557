"""SMS through Twilio."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from routing.writers.sms import SmsConfig, SmsWriter
from schemas.clock import Clock
from tests.routing.channels.case import PUBLIC_URL, Case
from tests.simulated_twilio import sms_at, twilio_simulated


@asynccontextmanager
async def case(clock: Clock, call_s: float) -> AsyncIterator[Case]:
    async with twilio_simulated() as twilio:
        channel = sms_at(twilio.url, clock, call_s=call_s)
        yield Case(
            channel=channel,
            writer=SmsWriter(SmsConfig(public_url=PUBLIC_URL)),
            behaviours=twilio.simulator.behaviours,
            messages=twilio.messages,
            address=lambda n: f"+1555{n:07}",
        )
        await channel.close()
