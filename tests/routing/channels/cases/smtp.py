"""Mails through a mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops.simulators.smtp import SmtpSimulator, smtp_served
from routing.channels.smtp import SmtpChannel, SmtpConfig
from schemas.clock import Clock
from tests.routing.channels.case import Case
from tests.routing.post import MAILS


@asynccontextmanager
async def case(clock: Clock, call_s: float) -> AsyncIterator[Case]:
    server = SmtpSimulator(clock)
    async with smtp_served(server) as port:
        config = SmtpConfig(
            host="127.0.0.1", port=port, sender="Hub <hub@example.com>", tls="off", call_s=call_s
        )
        channel = SmtpChannel(config, clock)
        yield Case(
            channel=channel,
            writer=MAILS,
            behaviours=server.behaviours,
            messages=server.messages,
            address=lambda n: f"u{n}@example.com",
        )
        await channel.close()
