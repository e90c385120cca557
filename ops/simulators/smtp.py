"""Owns a small mail server for tests and measurements: the commands of SMTP, and answers as wanted."""

import asyncio
import base64
import email
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any, Final

from bus.tasks import cancel
from ops.simulators.base import SILENT_S, SLOW_S, Behaviours, Message, Mode
from schemas.clock import Clock

GREETING: Final = "220 mail.example.com ESMTP"
REFUSALS: Final[dict[Mode, str]] = {
    "gone": "550 5.1.1 <nobody@example.com>: there is nobody of this name",
    "down": "421 4.3.2 the service is closing",
    "flaky": "421 4.3.2 the service is closing",
}
"""At the recipient."""
AFTER: Final[dict[Mode, str]] = {
    "quota": "450 4.7.1 too many mails of late",
    "reject": "554 5.7.1 the content is refused",
}
"""When the mail is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpAccount:
    """Who may send, and how the connection is protected."""

    username: str | None = None
    password: str | None = None
    starttls: ssl.SSLContext | None = None
    tls: ssl.SSLContext | None = None


@dataclass(slots=True)
class _Session:
    """What one connection has said so far."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protected: bool = False
    signed_in: bool = False
    to: list[str] = field(default_factory=list)
    mode: Mode = "ok"
    over: bool = False

    async def say(self, line: str) -> None:
        self.writer.write(f"{line}\r\n".encode())
        await self.writer.drain()

    async def silence(self) -> None:
        """Never answer, and hang up in the end."""
        await asyncio.sleep(SILENT_S)
        self.over = True


class SmtpSimulator:
    """Takes mails; misbehaves by address, as far as a mail server can."""

    def __init__(self, clock: Clock, account: SmtpAccount | None = None) -> None:
        self.messages: list[Message] = []
        self.taken = 0
        self.behaviours = Behaviours()
        self.sessions = 0
        """How many there have been."""
        self.keeps = True
        """Whether what arrives is kept, or only counted."""
        self._clock = clock
        self._account = account or SmtpAccount()
        self._open: dict[asyncio.StreamWriter, asyncio.Task[Any] | None] = {}

    def hang_up(self) -> None:
        """End all sessions, as servers do with those that are idle."""
        for writer in self._open:
            writer.close()

    async def close(self) -> None:
        self.hang_up()
        await cancel(*(task for task in self._open.values() if task))

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be the server of one connection."""
        self.sessions += 1
        self._open[writer] = asyncio.current_task()
        session = _Session(reader, writer, protected=self._account.tls is not None)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await session.say(GREETING)
                while not session.over and (line := await reader.readline()):
                    await self._answer(session, line.decode(errors="replace").strip())
        finally:
            self._open.pop(writer, None)
            writer.close()

    async def _answer(self, session: _Session, line: str) -> None:
        verb, _, rest = line.partition(" ")
        match verb.upper():
            case "EHLO" | "HELO":
                await self._greet(session)
            case "STARTTLS" if self._account.starttls:
                await session.say("220 2.0.0 go ahead")
                await session.writer.start_tls(self._account.starttls)
                session.protected = True
            case "AUTH":
                await self._sign_in(session, rest)
            case "MAIL" if self._account.username and not session.signed_in:
                await session.say("530 5.7.0 sign in first")
            case "MAIL":
                session.to, session.mode = [], "ok"
                await session.say("250 2.1.0 ok")
            case "RCPT":
                await self._recipient(session, rest[rest.find("<") + 1 : rest.rfind(">")])
            case "DATA":
                await self._data(session)
            case "RSET" | "NOOP":
                await session.say("250 2.0.0 ok")
            case "QUIT":
                session.over = True
                await session.say("221 2.0.0 bye")
            case _:
                await session.say("502 5.5.2 unknown command")

    async def _greet(self, session: _Session) -> None:
        offers = ["mail.example.com", "ENHANCEDSTATUSCODES"]
        if self._account.starttls and not session.protected:
            offers.append("STARTTLS")
        if self._account.username:
            offers.append("AUTH PLAIN")
        lines = [f"250-{one}" for one in offers[:-1]] + [f"250 {offers[-1]}"]
        await session.say("\r\n".join(lines))

    async def _sign_in(self, session: _Session, said: str) -> None:
        right = f"\0{self._account.username}\0{self._account.password}".encode()
        session.signed_in = said.rsplit(maxsplit=1)[-1] == base64.b64encode(right).decode()
        await session.say("235 2.7.0 welcome" if session.signed_in else "535 5.7.8 wrong user or password")

    async def _recipient(self, session: _Session, address: str) -> None:
        session.mode = self.behaviours.take(address)
        if session.mode == "timeout":
            await session.silence()
        elif refusal := REFUSALS.get(session.mode):
            session.over = refusal.startswith("421")
            await session.say(refusal)
        else:
            session.to.append(address)
            await session.say("250 2.1.5 ok")

    async def _data(self, session: _Session) -> None:
        await session.say("354 go ahead")
        content = await session.reader.readuntil(b"\r\n.\r\n")
        if refusal := AFTER.get(session.mode):
            await session.say(refusal)
            return
        if session.mode == "slow":
            await asyncio.sleep(SLOW_S)
        self._keep(session.to, content[:-3].replace(b"\r\n..", b"\r\n."))
        if session.mode == "timeout_after":
            await session.silence()
        else:
            await session.say(f"250 2.0.0 ok: queued as {self.taken}")

    def _keep(self, to: list[str], content: bytes) -> None:
        self.taken += 1
        if not self.keeps:
            return
        mail = email.message_from_bytes(content, policy=default)
        for address in to:
            self.messages.append(_message(mail, address, self._clock))


def _message(mail: EmailMessage, address: str, clock: Clock) -> Message:
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return Message(
        id=str(mail["Message-ID"]),
        address=address,
        at=clock.now().isoformat(),
        text=text.get_content() if text else "",
        html=html.get_content() if html else None,
        subject=str(mail["Subject"]),
        headers={name: str(value) for name, value in mail.items()},
        raw=None,
    )


@asynccontextmanager
async def smtp_served(simulator: SmtpSimulator, account: SmtpAccount | None = None) -> AsyncIterator[int]:
    """Serve it on a free port of loopback; answers the port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(
        simulator.meet, sock=listening, ssl=account.tls if account else None, limit=1 << 24
    )
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.close()
        await simulator.close()
