"""The simulator of Twilio for tests: in this process, on a port of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ops.simulators.twilio import TwilioSimulator
from routing.channels.sms import SmsChannel, TwilioConfig
from schemas.clock import Clock, SystemClock
from tests.simulated import NOBODY, Simulated, running

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
TOKEN = "a token of thirty-two characters"
SERVICE = "MG0123456789abcdef0123456789abcdef"
ANN = "+15551234567"
BOB = "+15557654321"


@dataclass
class Twilio(Simulated[TwilioSimulator]):
    """A running simulator of Twilio."""


@asynccontextmanager
async def twilio_simulated(
    *, hub_url: str = NOBODY, public_url: str | None = None, clock: Clock | None = None
) -> AsyncIterator[Twilio]:
    """Run one; it tells the hub under `hub_url`, which may believe to be called otherwise."""
    simulator = TwilioSimulator(
        clock or SystemClock(),
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        webhook=f"{hub_url}/webhooks/twilio",
        public_webhook=f"{public_url}/webhooks/twilio" if public_url else None,
    )
    async with running(simulator) as url:
        yield Twilio(simulator, url)


def sms_at(
    url: str | None,
    clock: Clock,
    *,
    call_s: float = 5,
    auth_token: str = TOKEN,
    hub_url: str = NOBODY,
    provider: str = "twilio",
) -> SmsChannel:
    config = TwilioConfig(
        account_sid=ACCOUNT,
        auth_token=auth_token,
        messaging_service_sid=SERVICE,
        status_url=f"{hub_url}/webhooks/twilio",
        base_url=url,
        provider=provider,
        call_s=call_s,
    )
    return SmsChannel(config, clock)
