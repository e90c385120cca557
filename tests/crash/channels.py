"""A process that sends on every channel: python -m tests.crash.channels NAME, the rest as JSON on stdin."""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import orjson

from bus.tasks import forever, spawn
from ops.logs import configure
from routing.channels import telegram
from routing.channels.base import Pace
from routing.channels.push import FcmConfig, PushChannel
from routing.channels.telegram import TelegramChannel, TelegramConfig
from routing.dispatcher import Dispatcher, Sender
from routing.people import People
from routing.retelling import Retelling
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from routing.writers.telegram import TelegramWriter
from schemas.clock import Clock, SystemClock
from schemas.db import create_pool
from schemas.listen import RECONNECT_S, Listener
from schemas.store.deliveries import WAKE
from tests.routing.channels.case import PUBLIC_URL
from tests.routing.post import MAILS, email_at
from tests.simulated_telegram import TOKEN
from tests.simulated_twilio import sms_at


def senders(told: dict[str, Any], clock: Clock) -> list[Sender]:
    telegram.PACE = Pace(400.0)  # type: ignore[misc]  # at the true pace this would take minutes
    push = FcmConfig(project="demo", credentials=told["fcm_credentials"], base_url=told["fcm"], call_s=8)
    chats = TelegramConfig(token=TOKEN, base_url=told["telegram"], call_s=8)
    return [
        Sender(channels=(PushChannel(push, clock),), writer=PushWriter(PUBLIC_URL)),
        Sender(
            channels=(sms_at(told["twilio"], clock, call_s=8),),
            writer=SmsWriter(SmsConfig(public_url=PUBLIC_URL)),
        ),
        Sender(channels=(email_at(told["resend"], clock, call_s=8),), writer=MAILS),
        Sender(channels=(TelegramChannel(chats, clock),), writer=TelegramWriter(PUBLIC_URL)),
    ]


async def main(name: str, told: dict[str, Any]) -> None:
    clock, listener = SystemClock(), Listener(told["dsn"], WAKE)
    async with await create_pool(told["dsn"], max_size=20) as pool:
        spawn(forever(listener.listen, name="listener", pause_s=RECONNECT_S), name="listener")
        await Dispatcher(
            senders(told, clock),
            worker=name,
            pool=pool,
            listener=listener,
            tellings=Retelling(People()),
            clock=clock,
            lease=timedelta(seconds=6),
        ).run()


if __name__ == "__main__":
    configure()
    asyncio.run(main(sys.argv[1], orjson.loads(sys.stdin.buffer.read())))
