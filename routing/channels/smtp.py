"""Owns e-mail through an SMTP server: connections that stay open, and what is lost with one that breaks."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import aiosmtplib

from routing.channels.base import Pace, Receipt, Rendered
from routing.channels.smtp_errors import HungUpError, Stage, lost, not_connected, refused
from routing.channels.smtp_message import Letterhead
from routing.errors import MessageRejectedError
from routing.model import ChannelKind, Endpoint
from schemas.clock import Clock

CONNECT_S: Final = 10.0
CALL_S: Final = 30.0
CONNECTIONS: Final = 10  # what mail servers commonly allow one client
RATE: Final = 50.0
IDLE_S: Final = 20.0
"""How long an open connection waits for the next mail; servers hang up after a minute or more."""
QUIT_S: Final = 1.0
BROKE: Final = "the connection to the mail server broke"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpConfig:
    """The server that mails go out by."""

    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = None
    tls: Literal["starttls", "tls", "off"] = "starttls"
    connections: int = CONNECTIONS
    rate: float = RATE
    """Mails a second; no server says how many it takes."""
    connect_s: float = CONNECT_S
    call_s: float = CALL_S
    authorities: str | None = None
    """The certificates to trust, in PEM, if not those of the system."""


class SmtpChannel:
    """Mails through one server. It knows no key: a mail that may have been taken is never sent again."""

    kind: ClassVar[ChannelKind] = "email"
    keyed: ClassVar[bool] = False
    most: ClassVar[int] = 20
    provider: ClassVar[str] = "smtp"

    def __init__(self, config: SmtpConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._letterhead = Letterhead(config.sender)
        self._places = asyncio.Semaphore(config.connections)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []
        self._trust = ssl.create_default_context(cadata=config.authorities) if config.tls != "off" else None

    @property
    def pace(self) -> Pace:
        return Pace(self._config.rate)

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        if not (to.address.isascii() and to.address.isprintable()):
            raise MessageRejectedError("the mail server takes only addresses in ASCII")
        mail = self._letterhead.write(message, to.address, key=key, at=self._clock.now())
        async with self._places:
            while (kept := self._kept()) is not None:
                with suppress(HungUpError):  # while it was idle: nothing was sent, another may do
                    await self._deliver(kept, mail, to.address)
                    return Receipt(self._letterhead.message_id(key))
            await self._deliver(await self._connected(), mail, to.address)
        return Receipt(self._letterhead.message_id(key))

    async def open(self) -> None:
        """See whether the server takes us, and keep the connection; raises DeliveryError."""
        self._keep(await self._connected())

    async def close(self) -> None:
        while (client := self._kept()) is not None:
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=QUIT_S)
            client.close()

    def _kept(self) -> aiosmtplib.SMTP | None:
        """Take the connection that was used last; those that waited too long are closed."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and now - since < IDLE_S:
                return client
            client.close()
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected:
            self._idle.append((client, asyncio.get_running_loop().time()))

    async def _connected(self) -> aiosmtplib.SMTP:
        """Open a session; raises DeliveryError."""
        config = self._config
        client = aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            username=config.username,
            password=config.password,
            local_hostname=self._letterhead.domain,  # asking DNS for our own name may take seconds
            timeout=config.call_s,
            use_tls=config.tls == "tls",
            start_tls=config.tls == "starttls",
            tls_context=self._trust,
        )
        try:
            await client.connect(timeout=config.connect_s)
        except aiosmtplib.SMTPResponseException as error:
            raise refused("session", error.code, error.message) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise not_connected(error) from error
        return client

    async def _deliver(self, client: aiosmtplib.SMTP, mail: bytes, address: str) -> None:
        """Send one mail; a connection of which nobody knows where it stands is closed."""
        stage: Stage = "sender"
        try:
            await client.mail(self._letterhead.address)
            stage = "recipient"
            await client.rcpt(address)
            stage = "message"
            await client.data(mail)
        except aiosmtplib.SMTPResponseException as error:
            await self._begin_anew(client, error.code)
            raise refused(stage, error.code, error.message) from error
        except aiosmtplib.SMTPTimeoutError as error:
            client.close()
            raise lost(stage, "the mail server did not answer in time") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise (HungUpError(BROKE) if stage == "sender" else lost(stage, BROKE)) from error
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def _begin_anew(self, client: aiosmtplib.SMTP, code: int) -> None:
        """After a refusal the session may go on, without what was said of that mail."""
        if not 400 <= code < 600:
            client.close()  # that was no answer to what we said
        try:
            if client.is_connected:
                await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        self._keep(client)
