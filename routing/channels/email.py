"""Owns e-mail through Resend: one pooled connection, batches under a key, answers turned into our errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar, Final

import aiohttp
import orjson
import resend
from resend.exceptions import ResendError

from routing.channels.base import Mail, Outcome, Pace, Receipt, Rendered
from routing.channels.email_errors import Refusal, UnreachableError, explained, of_one_mail
from routing.errors import AmbiguousDeliveryError, DeliveryError
from routing.model import ChannelKind, Endpoint
from schemas.clock import Clock

API: Final = "https://api.resend.com"
CALL_S: Final = 10.0  # a key makes it harmless to give up early
CONNECT_S: Final = 5.0
BEFORE_TOLD: Final = Pace(2.0)  # the least that was ever documented; every answer tells the true limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendConfig:
    """The account that mails go out from."""

    api_key: str
    sender: str
    base_url: str = API
    call_s: float = CALL_S


class _Http(resend.AsyncHTTPClient):
    """Keeps connections open: the library's own client would make a new one, with new TLS, for each call."""

    def __init__(self, call_s: float) -> None:
        self._timeout = aiohttp.ClientTimeout(total=call_s, connect=CONNECT_S)
        self._session: aiohttp.ClientSession | None = None
        self.pace = BEFORE_TOLD

    async def request(  # noqa: PLR0917  as the library declares it
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: dict[str, object] | list[object] | None = None,
        files: dict[str, Any] | None = None,
        data: dict[str, str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        body = orjson.dumps(json)
        sent = {**headers, "Content-Type": "application/json"}
        try:
            async with self._session.request(
                method.upper(), url, data=body, headers=sent, allow_redirects=False
            ) as response:
                content = await response.read()
                told = {name.lower(): value for name, value in response.headers.items()}
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise UnreachableError(str(error)) from error
        self.pace = _pace(told, self.pace)
        return content, response.status, told

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class EmailChannel:
    """Mails through one Resend account: the library knows one account for each process."""

    kind: ClassVar[ChannelKind] = "email"
    provider: ClassVar[str] = "resend"
    keyed: ClassVar[bool] = True
    most: ClassVar[int] = 100

    def __init__(self, config: ResendConfig, clock: Clock) -> None:
        self._sender = config.sender
        self._clock = clock
        self._http = _Http(config.call_s)
        resend.api_key = config.api_key
        resend.api_url = config.base_url.rstrip("/")
        resend.default_async_http_client = self._http

    @property
    def pace(self) -> Pace:
        return self._http.pace

    def prepare(self, message: Rendered, address: str, *, key: str) -> Mail:
        return {
            "from": self._sender,
            "to": [address],
            "subject": message.title,
            "text": message.text,
            "html": message.html,
            "headers": dict(message.headers),
            "tags": [{"name": "delivery", "value": key}],
        }

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        params: Any = self.prepare(message, to.address, key=key)
        try:
            answer = await resend.Emails.send_async(params, {"idempotency_key": key})
        except ResendError as error:
            raise self._explained(error) from error
        return Receipt(str(answer["id"]))

    async def send_batch(self, mails: Sequence[Mail], *, key: str) -> list[Outcome]:
        params: Any = list(mails)
        try:
            answer = await resend.Batch.send_async(
                params, {"idempotency_key": key, "batch_validation": "permissive"}
            )
        except ResendError as error:
            raise self._explained(error) from error
        return _outcomes(answer, len(mails))

    async def close(self) -> None:
        await self._http.close()

    def _explained(self, error: ResendError) -> DeliveryError:
        return explained(
            Refusal(int(error.code), error.error_type, error.message, error.headers),
            error.__context__,
            self._clock.now(),
        )


def _outcomes(answer: Mapping[str, Any], count: int) -> list[Outcome]:
    """Match the ids to the mails: those that were refused are named by their place, and have no id."""
    refused = {int(one["index"]): str(one["message"]) for one in answer.get("errors") or ()}
    ids = iter(answer["data"])
    try:
        return [
            of_one_mail(refused[n]) if n in refused else Receipt(str(next(ids)["id"])) for n in range(count)
        ]
    except StopIteration:
        raise AmbiguousDeliveryError("the provider answered with fewer ids than it was sent mails") from None


def _pace(told: Mapping[str, str], before: Pace) -> Pace:
    try:
        window = 1.0  # the limit is documented by the second, whatever remains of this one
        return Pace(
            max(0.1, _finite(told["ratelimit-limit"]) / window),
            int(told["ratelimit-remaining"]),
            _finite(told.get("ratelimit-reset", window)),
        )
    except (KeyError, ValueError):
        return Pace(before.rate)


def _finite(said: str | float) -> float:
    number = float(said)
    if not isfinite(number):
        raise ValueError(said)
    return number
