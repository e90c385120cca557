"""Owns SMS through Twilio: one pooled connection, a time-out that counts, answers turned into our errors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from twilio.base.exceptions import TwilioException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from bus.telemetry import SMS_SEGMENTS
from routing.channels.base import Pace, Receipt, Rendered
from routing.channels.sms_errors import RefusedError, explained, from_transport
from routing.errors import AmbiguousDeliveryError, MessageRejectedError
from routing.model import ChannelKind, Endpoint
from routing.segments import segments
from schemas.clock import Clock

API: Final = "https://api.twilio.com"
CALL_S: Final = 15.0  # without a key it is dear to give up early: nobody could say what became of it
CONNECT_S: Final = 5.0
CONNECTIONS: Final = 250
"""More than all lanes have under way: to wait for one would count as a failure to connect."""
PACE: Final = Pace(1_000.0)  # Twilio limits calls under way at once, and queues what it took by itself
VALIDITY_S: Final = (1, 36_000)
# The library would look into the environment for what is not given; an empty mapping counts as none.
NO_ENVIRONMENT: Final = {"TWILIO_EDGE": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioConfig:
    """The account that SMS go out with, and where it tells what became of them."""

    account_sid: str
    auth_token: str = field(repr=False)
    messaging_service_sid: str
    status_url: str
    """/webhooks/twilio, as it is reached from outside."""
    base_url: str | None = None
    """Where the account is called: an edge, or this machine."""
    provider: str = "twilio"
    call_s: float = CALL_S


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # untyped
    """The library's own would wait for five minutes, whatever time-out it was given.

    It repeats nothing, as the same message would come twice, and keeps nothing of what it sent. Refusals are
    raised here, where their headers are still known.
    """

    def __init__(self, config: TwilioConfig) -> None:
        super().__init__(pool_connections=False, timeout=config.call_s)
        self._opened: aiohttp.ClientSession | None = None
        self._base = (config.base_url or API).rstrip("/")
        self._authorization = aiohttp.encode_basic_auth(config.account_sid, config.auth_token)

    async def request(  # noqa: PLR0917  as the library declares it
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  as the library declares it
        allow_redirects: bool = False,
    ) -> Response:
        async with self._pool().request(
            method.upper(),
            self._base + urlsplit(url).path,
            params=params,
            data=urlencode(data or {}, doseq=True).encode(),
            headers={**(headers or {}), "Authorization": self._authorization},
            allow_redirects=allow_redirects,
        ) as response:
            text = await response.text("utf-8", "replace")
            if not 200 <= response.status < 300:
                raise RefusedError(response.status, text, response.headers.get("Retry-After"))
            return Response(response.status, text, response.headers)

    def _pool(self) -> aiohttp.ClientSession:
        """Made with the first call: before, there is no loop to make it in."""
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self.timeout, connect=CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            )
        return self._opened

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()


class SmsChannel:
    """Messages through one account; Twilio knows no key, so nothing that it may have taken is repeated."""

    kind: ClassVar[ChannelKind] = "sms"
    keyed: ClassVar[bool] = False
    most: ClassVar[int] = 100
    pace: ClassVar[Pace] = PACE

    def __init__(self, config: TwilioConfig, clock: Clock) -> None:
        self.provider = config.provider
        self._config = config
        self._clock = clock
        self._http = _Http(config)
        self._client = Client(
            config.account_sid,
            config.auth_token,
            http_client=self._http,
            environment=NO_ENVIRONMENT,
        )
        self._segments = SMS_SEGMENTS.labels(config.provider)

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        wanted: dict[str, Any] = {
            "to": to.address,
            "body": message.text,
            "messaging_service_sid": self._config.messaging_service_sid,
            "status_callback": f"{self._config.status_url}?delivery={key}",
        }
        if message.expires_at:
            wanted["validity_period"] = _validity(message.expires_at, self._clock.now())
        ref = await self._taken(wanted)
        self._segments.inc(segments(message.text))
        return Receipt(ref)

    async def close(self) -> None:
        await self._http.close()

    async def _taken(self, wanted: Mapping[str, Any]) -> str:
        """Answer Twilio's name for the message."""
        try:
            taken = await self._client.messages.create_async(**wanted)
        except RefusedError as error:
            raise explained(error, self._clock.now()) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise from_transport(error) from error
        except (TwilioException, ValueError, AttributeError, TypeError) as error:
            raise AmbiguousDeliveryError("the provider answered with what is not its own form") from error
        if not taken.sid:
            raise AmbiguousDeliveryError("the provider took it without giving it a name")
        return str(taken.sid)


def _validity(expires_at: datetime, now: datetime) -> int:
    """For how many seconds Twilio may keep it: later it is of no use to anybody."""
    left = int((expires_at - now).total_seconds())
    shortest, longest = VALIDITY_S
    if left < shortest:
        raise MessageRejectedError("it expired before it could be sent")
    return min(longest, left)
