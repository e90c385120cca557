"""Mails through a mail server: what arrives, what each answer means, and what a broken connection does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from ops.simulators.base import Behaviour, Mode
from ops.simulators.smtp import SmtpAccount, SmtpSimulator, smtp_served
from routing.channels.base import Channel, Rendered
from routing.channels.smtp import SmtpChannel, SmtpConfig
from routing.channels.smtp_message import Letterhead
from routing.errors import (
    AmbiguousDeliveryError,
    ChannelMisconfiguredError,
    DeliveryError,
    EndpointGoneError,
    MessageRejectedError,
    QuotaExceededError,
    TransientDeliveryError,
)
from routing.model import Endpoint
from tests.certificates import certified
from tests.simulated import FakeClock

ANN = "ann@example.com"
KEY = "01930000-0000-7000-8000-000000000001"
OUT = f"https://hub.example.com/u/{'x' * 200}"
MAIL = Rendered(
    title="Zoë tipped you 5.00 HRS – thank you, in a title that is longer than a line of a mail",
    text="Hello\n.\n..dots\nZoë",
    html="<p>Hello</p>",
    headers={"List-Unsubscribe": f"<{OUT}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
)


def endpoint(address: str = ANN) -> Endpoint:
    return Endpoint(id=UUID(KEY), channel="email", address=address)


class Post:
    """A mail server, and a channel that leads to it."""

    def __init__(self, server: SmtpSimulator, config: SmtpConfig) -> None:
        self.server = server
        self.config = config
        self.channel = SmtpChannel(config, FakeClock())

    async def send(self, key: str = KEY) -> str:
        return (await self.channel.send(MAIL, endpoint(), key=key)).ref

    async def refused(self, mode: Mode, times: int | None = None) -> DeliveryError:
        self.server.behaviours.put(Behaviour(mode=mode, address=ANN, times=times))
        with pytest.raises(DeliveryError) as refused:
            await self.send()
        return refused.value


@asynccontextmanager
async def posting(account: SmtpAccount | None = None, **config: Any) -> AsyncIterator[Post]:
    server = SmtpSimulator(FakeClock(), account)
    async with smtp_served(server, account) as port:
        made = SmtpConfig(
            **{"host": "127.0.0.1", "port": port, "sender": "Hub <hub@example.com>", "tls": "off", **config}
        )
        post = Post(server, made)
        try:
            yield post
        finally:
            await post.channel.close()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with posting() as found:
        yield found


async def test_a_mail_arrives_as_it_was_written(post: Post) -> None:
    ref = await post.send()
    (mail,) = post.server.messages
    assert ref == mail.id == f"<{KEY}@example.com>"
    assert mail.address == mail.headers["To"] == ANN
    assert mail.headers["From"] == "Hub <hub@example.com>"
    assert mail.subject == MAIL.title
    assert mail.text.splitlines() == MAIL.text.splitlines()
    assert mail.html is not None
    assert mail.html.strip() == MAIL.html
    assert mail.headers["Date"] == "Sat, 21 Nov 2026 12:00:00 +0000"
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    assert mail.headers["List-Unsubscribe"] == f"<{OUT}>"
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_what_is_written_is_ascii_in_short_lines_but_for_the_link() -> None:
    written = Letterhead("Zoë <hub@example.com>").write(MAIL, ANN, key=KEY, at=FakeClock().now())
    assert written.isascii()
    long = [line.decode() for line in written.split(b"\r\n") if len(line) > 90]
    assert long == [f"List-Unsubscribe: <{OUT}>"]
    mail = BytesParser(EmailMessage, policy=default).parsebytes(written)
    assert mail["From"] == "Zoë <hub@example.com>"
    assert mail["Subject"] == MAIL.title


def test_a_line_break_in_a_title_makes_no_header() -> None:
    mail = replace(MAIL, title="Hello\r\nBcc: all@example.com")
    written = Letterhead("hub@example.com").write(mail, ANN, key=KEY, at=FakeClock().now())
    assert BytesParser(EmailMessage, policy=default).parsebytes(written)["Bcc"] is None


async def test_one_connection_carries_mail_after_mail(post: Post) -> None:
    for _ in range(3):
        await post.send()
    assert (post.server.sessions, len(post.server.messages)) == (1, 3)


async def test_so_many_connections_as_are_set_carry_mails_side_by_side() -> None:
    async with posting(connections=3) as post:
        await asyncio.gather(*(post.send() for _ in range(20)))
        assert (post.server.sessions, len(post.server.messages)) == (3, 20)


async def test_a_connection_that_the_server_ended_meanwhile_costs_no_attempt(post: Post) -> None:
    await post.send()
    post.server.hang_up()
    await post.send()
    assert len(post.server.messages) == 2


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("gone", EndpointGoneError),
        ("quota", QuotaExceededError),
        ("reject", MessageRejectedError),
        ("down", TransientDeliveryError),
        ("flaky", TransientDeliveryError),
    ],
)
async def test_a_refusal_says_what_to_do_and_the_next_mail_goes(
    post: Post, mode: Mode, error: type[DeliveryError]
) -> None:
    refused = await post.refused(mode, times=1)
    assert type(refused) is error
    assert ANN not in str(refused)
    assert post.server.messages == []
    await post.send()
    assert len(post.server.messages) == 1


async def test_silence_before_the_mail_was_sent_is_no_riddle() -> None:
    async with posting(call_s=1) as post:
        assert type(await post.refused("timeout", times=1)) is TransientDeliveryError
        assert post.server.messages == []
        await post.send()


async def test_silence_after_the_mail_was_sent_is_one() -> None:
    async with posting(call_s=1) as post:
        assert type(await post.refused("timeout_after", times=1)) is AmbiguousDeliveryError
        assert len(post.server.messages) == 1


async def test_a_connection_that_breaks_while_the_mail_is_taken_is_one_too() -> None:
    async with posting() as post:
        post.server.behaviours.put(Behaviour(mode="timeout_after", address=ANN))
        sending = asyncio.ensure_future(post.send())
        while not post.server.messages:  # noqa: ASYNC110  the pytest-timeout is the deadline
            await asyncio.sleep(0.01)
        post.server.hang_up()
        with pytest.raises(AmbiguousDeliveryError):
            await sending


async def test_a_mail_that_was_given_up_leaves_no_connection_in_the_middle(post: Post) -> None:
    post.server.behaviours.put(Behaviour(mode="timeout", address=ANN, times=1))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post.send(), 0.2)
    await post.send()
    assert (post.server.sessions, len(post.server.messages)) == (2, 1)


async def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        config = SmtpConfig(
            host="127.0.0.1", port=nobody.getsockname()[1], sender="hub@example.com", tls="off"
        )
        with pytest.raises(TransientDeliveryError, match="cannot be reached"):
            await SmtpChannel(config, FakeClock()).send(MAIL, endpoint(), key=KEY)


async def test_a_server_that_does_not_greet_was_sent_nothing() -> None:
    async with AsyncExitStack() as stack:
        silent = socket.socket()
        stack.callback(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        config = SmtpConfig(host="127.0.0.1", port=port, sender="hub@example.com", tls="off", connect_s=0.2)
        with pytest.raises(TransientDeliveryError, match="did not answer in time"):
            await SmtpChannel(config, FakeClock()).send(MAIL, endpoint(), key=KEY)


async def test_an_address_that_is_not_ascii_is_refused_before_anything_is_sent(post: Post) -> None:
    with pytest.raises(MessageRejectedError):
        await post.channel.send(MAIL, endpoint("zoë@example.com"), key=KEY)
    assert post.server.sessions == 0


@pytest.mark.parametrize("way", ["starttls", "tls"])
async def test_user_and_password_go_over_a_protected_connection(tmp_path: Path, way: str) -> None:
    context, trusted = certified(tmp_path)
    account = SmtpAccount(username="hub", password="word", **{way: context})
    async with posting(account, tls=way, username="hub", password="word", authorities=trusted) as post:
        await post.send()
        assert len(post.server.messages) == 1


async def test_a_wrong_password_pauses_the_channel(tmp_path: Path) -> None:
    context, trusted = certified(tmp_path)
    account = SmtpAccount(username="hub", password="word", starttls=context)
    wrong: dict[str, Any] = {"tls": "starttls", "username": "hub", "password": "other"}
    async with posting(account, **wrong, authorities=trusted) as post:
        with pytest.raises(ChannelMisconfiguredError, match="535"):
            await post.send()


async def test_a_certificate_that_nobody_vouches_for_pauses_the_channel(tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    for way in ("starttls", "tls"):
        account: dict[str, Any] = {way: context}
        async with posting(SmtpAccount(**account), tls=way) as post:
            with pytest.raises(ChannelMisconfiguredError, match="the certificate of the mail server"):
                await post.send()


async def test_a_server_without_tls_is_not_spoken_to_in_the_open() -> None:
    async with posting(tls="starttls") as post:
        with pytest.raises(ChannelMisconfiguredError, match="STARTTLS"):
            await post.send()
        assert post.server.messages == []


async def test_a_server_that_wants_a_password_pauses_the_channel() -> None:
    async with posting(SmtpAccount(username="hub", password="word")) as post:
        with pytest.raises(ChannelMisconfiguredError, match="530"):
            await post.send()


def test_it_is_a_channel(post: Post) -> None:
    port: Callable[[Channel], Channel] = lambda channel: channel  # noqa: E731  for mypy
    assert port(post.channel).provider == "smtp"
