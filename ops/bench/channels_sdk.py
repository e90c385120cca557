"""Owns the bare libraries in `bench channels`: the same messages in a loop, and nothing else."""

from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, Final
from uuid import UUID, uuid4

from ops.bench.channels_queue import live_start
from ops.bench.channels_seat import (
    ACCOUNT,
    AT_ONCE,
    BOT,
    CONNECTIONS,
    LANES,
    PUBLIC_URL,
    SENDER,
    SERVICE,
    TOKEN,
    Channel,
    Found,
    Seat,
    Send,
    address,
    alone,
    side_by_side,
)
from routing.catalog import CATALOG, said
from routing.channels.base import Rendered, Writer
from routing.channels.telegram_text import parts_of
from routing.consent import Links
from routing.model import ChannelKind, Endpoint, Recipient
from routing.preferences import Preferences
from routing.writers.mail import MailConfig, Mails
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from schemas.clock import SystemClock

PROJECT: Final = "simulated"


async def measured(seat: Seat) -> Found:
    """Send some to warm up, then the others."""
    makers: dict[Channel, Callable[[Seat], Awaitable[Send]]] = {
        "push": _push,
        "sms": _sms,
        "email": _email,
        "smtp": _smtp,
        "telegram": _telegram,
    }
    send = await makers[seat.channel](seat)
    await send(seat.warm)
    return await alone(send, seat.count)


def _at_once(seat: Seat, calls: int) -> int:
    """How many calls are under way at once, where the hub has so many."""
    return 1 if seat.who == "loop" else calls


async def _in_calls(seat: Seat, send: Callable[[list[int]], Awaitable[int]], count: int) -> int:
    """Share the numbers out among calls of as many each as the hub's."""
    most = AT_ONCE[seat.channel]
    parts = [list(range(n, min(n + most, count + 1))) for n in range(1, count + 1, most)]
    return await side_by_side(lambda number: send(parts[number - 1]), len(parts), _at_once(seat, LANES))


def _mails() -> Mails:
    return Mails(MailConfig(public_url=PUBLIC_URL, name=parseaddr(SENDER)[0]), Links(TOKEN * 4))


def _written(channel: ChannelKind, writer: Writer) -> Rendered:
    """What the hub's people get, written once."""
    event = live_start()
    told = said(event, CATALOG[type(event)][0], {})
    recipient = Recipient(user="ann", preferences=Preferences())
    endpoint = Endpoint(id=UUID(int=1), channel=channel, address="ann@example.com")
    return writer.write(told, endpoint, recipient, 1)


async def _push(seat: Seat) -> Send:
    import firebase_admin  # noqa: PLC0415  a seat has only its own library
    from firebase_admin import messaging  # noqa: PLC0415

    from routing.channels.push_message import composed  # noqa: PLC0415
    from routing.channels.push_token import AccessToken  # noqa: PLC0415

    app = firebase_admin.initialize_app(AccessToken(None), {"projectId": PROJECT, "httpTimeout": 10})
    service: Any = messaging._get_messaging_service(app)  # noqa: SLF001  no public way
    service._fcm_url = f"{seat.url}/v1/projects/{PROJECT}/messages:send"  # noqa: SLF001
    words, now = _written("push", PushWriter(PUBLIC_URL)), SystemClock().now()

    async def call(numbers: list[int]) -> int:
        made = [
            composed(
                words,
                Endpoint(id=UUID(int=1), channel="push", kind="token", address=address("push", number)),
                key=str(uuid4()),
                now=now,
            )
            for number in numbers
        ]
        return int((await messaging.send_each_async(made, app=app)).success_count)

    return lambda count: _in_calls(seat, call, count)


async def _sms(seat: Seat) -> Send:
    from twilio.http.async_http_client import AsyncTwilioHttpClient  # noqa: PLC0415
    from twilio.rest import Client  # noqa: PLC0415

    client = Client(ACCOUNT, TOKEN, http_client=AsyncTwilioHttpClient())
    client.api.base_url = seat.url
    words = _written("sms", SmsWriter(SmsConfig(public_url=PUBLIC_URL)))

    async def call(number: int) -> int:
        taken = await client.messages.create_async(
            to=address("sms", number),
            body=words.text,
            messaging_service_sid=SERVICE,
            status_callback=f"{PUBLIC_URL}/webhooks/twilio?delivery={uuid4()}",
            validity_period=1_800,
        )
        return int(bool(taken.sid))

    return lambda count: side_by_side(call, count, _at_once(seat, LANES * AT_ONCE["sms"]))


async def _email(seat: Seat) -> Send:
    import resend  # noqa: PLC0415

    resend.api_key, resend.api_url = TOKEN, seat.url
    words = _written("email", _mails())

    async def call(numbers: list[int]) -> int:
        params: Any = [
            {
                "from": SENDER,
                "to": [address("email", number)],
                "subject": words.title,
                "text": words.text,
                "html": words.html,
                "headers": dict(words.headers),
                "tags": [{"name": "delivery", "value": str(uuid4())}],
            }
            for number in numbers
        ]
        options: Any = {"idempotency_key": str(uuid4()), "batch_validation": "permissive"}
        return len((await resend.Batch.send_async(params, options))["data"])

    return lambda count: _in_calls(seat, call, count)


async def _smtp(seat: Seat) -> Send:
    import aiosmtplib  # noqa: PLC0415

    host, _, port = seat.url.partition(":")
    words, clients = _written("email", _mails()), []
    for _ in range(_at_once(seat, CONNECTIONS)):
        client = aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False, local_hostname="example.com")
        await client.connect()
        clients.append(client)

    async def call(number: int) -> int:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = SENDER, address("smtp", number), words.title
        mail["Message-ID"] = f"<{uuid4()}@example.com>"
        for name, value in words.headers.items():
            mail[name] = value
        mail.set_content(words.text)
        mail.add_alternative(words.html or "", subtype="html")
        client = clients.pop()
        try:
            refused, _ = await client.send_message(mail)
        finally:
            clients.append(client)
        return int(not refused)

    return lambda count: side_by_side(call, count, _at_once(seat, CONNECTIONS))


async def _telegram(seat: Seat) -> Send:
    from aiogram import Bot  # noqa: PLC0415
    from aiogram.client.session.aiohttp import AiohttpSession  # noqa: PLC0415
    from aiogram.client.telegram import TelegramAPIServer  # noqa: PLC0415
    from aiogram.types import LinkPreviewOptions  # noqa: PLC0415
    from aiogram.utils.formatting import Bold, Text  # noqa: PLC0415

    from routing.writers.telegram import TelegramWriter  # noqa: PLC0415

    bot = Bot(BOT, session=AiohttpSession(api=TelegramAPIServer.from_base(seat.url)))
    words, quiet = _written("telegram", TelegramWriter(PUBLIC_URL)), LinkPreviewOptions(is_disabled=True)

    async def call(number: int) -> int:
        content = Text(*(Bold(one.text) if one.bold else one.text for one in parts_of(words))).as_kwargs()
        sent = await bot.send_message(address("telegram", number), **content, link_preview_options=quiet)
        return int(bool(sent.message_id))

    return lambda count: side_by_side(call, count, _at_once(seat, LANES * AT_ONCE["telegram"]))
