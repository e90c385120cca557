"""Owns the hub in `bench channels`: a queue of deliveries, sent by a dispatcher as in `hub work`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

from bus.outbox import Outbox
from bus.tasks import cancel, forever, spawn
from ops.bench.channels_queue import Queue
from ops.bench.channels_seat import (
    ACCOUNT,
    BOT,
    CONNECTIONS,
    LANES,
    PUBLIC_URL,
    SENDER,
    SERVICE,
    TOKEN,
    Found,
    Seat,
)
from ops.bench.route_meter import cost_of
from ops.loop import settle
from routing.channels.base import Pace
from routing.channels.email import EmailChannel, ResendConfig
from routing.channels.push import FcmConfig, PushChannel
from routing.channels.sms import SmsChannel, TwilioConfig
from routing.channels.smtp import SmtpChannel, SmtpConfig
from routing.consent import Links
from routing.dispatcher import Dispatcher, Sender
from routing.people import People
from routing.retelling import Retelling
from routing.writers.mail import MailConfig, Mails
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from schemas.clock import SystemClock
from schemas.db import Pool, create_pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store.deliveries import WAKE

PATIENCE_S: Final = 240
UNHURRIED: Final = Pace(1_000_000.0)  # what a provider allows is not what is measured


class _Sms(SmsChannel):
    pace: ClassVar[Pace] = UNHURRIED


def sender(seat: Seat) -> Sender:
    """The channel as `hub work` has it, but for its pace."""
    clock, mails = SystemClock(), Mails(MailConfig(public_url=PUBLIC_URL), Links(TOKEN * 4))
    channel: Any
    match seat.channel:
        case "push":
            return Sender(
                channels=(PushChannel(FcmConfig(base_url=seat.url), clock),),
                writer=PushWriter(PUBLIC_URL),
                lanes=LANES,
            )
        case "sms":
            channel = _Sms(_account(seat), clock)
            return Sender(
                channels=(channel,), writer=SmsWriter(SmsConfig(public_url=PUBLIC_URL)), lanes=LANES
            )
        case "email":
            channel = EmailChannel(ResendConfig(api_key=TOKEN, sender=SENDER, base_url=seat.url), clock)
            return Sender(channels=(channel,), writer=mails, lanes=LANES)
        case "smtp":
            return Sender(channels=(SmtpChannel(_server(seat), clock),), writer=mails, lanes=LANES)
        case "telegram":
            return _telegram(seat)


def _account(seat: Seat) -> TwilioConfig:
    return TwilioConfig(
        account_sid=ACCOUNT,
        auth_token=TOKEN,
        messaging_service_sid=SERVICE,
        status_url=f"{PUBLIC_URL}/webhooks/twilio",
        base_url=seat.url,
    )


def _server(seat: Seat) -> SmtpConfig:
    host, _, port = seat.url.partition(":")
    return SmtpConfig(
        host=host,
        port=int(port),
        sender=SENDER,
        tls="off",
        connections=CONNECTIONS,
        rate=UNHURRIED.rate,
    )


def _telegram(seat: Seat) -> Sender:
    from routing.channels.telegram import TelegramChannel, TelegramConfig  # noqa: PLC0415  heavy
    from routing.writers.telegram import TelegramWriter  # noqa: PLC0415

    class Unhurried(TelegramChannel):
        @property
        def pace(self) -> Pace:
            return UNHURRIED

    channel = Unhurried(TelegramConfig(token=BOT, base_url=seat.url), SystemClock())
    return Sender(channels=(channel,), writer=TelegramWriter(PUBLIC_URL), lanes=LANES)


@asynccontextmanager
async def _working(seat: Seat, pool: Pool) -> AsyncIterator[None]:
    clock, due = SystemClock(), Listener(seat.dsn, WAKE)
    dispatcher = Dispatcher(
        [sender(seat)],
        worker="bench",
        pool=pool,
        listener=due,
        tellings=Retelling(People(clock)),
        clock=clock,
    )
    running = [
        spawn(forever(due.listen, name="listener", pause_s=RECONNECT_S), name="listener"),
        spawn(dispatcher.run(), name="dispatcher"),
    ]
    try:
        yield
    finally:
        await cancel(*reversed(running))


async def measured(seat: Seat) -> Found:
    """Send some to warm up, then the others; the clock runs from their being due to the last being noted."""
    async with asyncio.timeout(PATIENCE_S):
        pool = await create_pool(seat.dsn)
        try:
            queue = Queue(pool, Outbox(pool), seat.channel)
            await queue.begin()
            async with _working(seat, pool):
                await queue.fill(seat.warm)
                await queue.sent()
                await queue.empty()
                await queue.fill(seat.count, wake=False)
                settle()
                cost = await cost_of(queue.sent(), pool)
                count = await queue.count()
        finally:
            await pool.close()
    return Found(sent=count, elapsed=cost.elapsed, own=cost.own, postgres=cost.postgres)
