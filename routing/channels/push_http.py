"""Owns the calls to FCM: pooled connections, time-outs, a fresh token, and no attempts but one."""

from collections.abc import Mapping
from typing import Final

import aiohttp
import httpx
import orjson
from yarl import URL

from routing.channels.push_errors import NoTokenError
from routing.channels.push_token import AccessToken
from routing.errors import DeliveryError

CONNECTIONS: Final = 100
CONNECT_S: Final = 5.0
OF_THIRD_PARTY: Final = b"AUTH_ERROR"  # in the code of a 401 that no other token of ours would mend


class PooledHttp:
    """Stands where the library has its own client.

    That one makes a connection for nearly each message, copies its retries deeply, sleeps seven seconds
    inside a call that gets 503, and fetches tokens on the event loop. Here a call is one attempt: the
    dispatcher knows better when another one is worth it.
    """

    def __init__(self, token: AccessToken, call_s: float) -> None:
        self._token = token
        self._timeout = aiohttp.ClientTimeout(
            total=2 * call_s,
            connect=call_s,  # also the wait for a free connection
            sock_connect=min(CONNECT_S, call_s),
            sock_read=call_s,
        )
        self._session: aiohttp.ClientSession | None = None
        self._asked: dict[str, tuple[URL, httpx.Request]] = {}

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], json: object
    ) -> httpx.Response:
        """Make one call, as the library asks for it; raises only httpx.HTTPError."""
        target, asked = self._target(method, url)
        body = orjson.dumps(json)
        try:
            token = await self._token.current()
            answer = await self._call(target, asked, headers, body, token)
            if answer.status_code == 401 and OF_THIRD_PARTY not in answer.content:
                another = await self._token.renewed(token)
                if another != token:
                    answer = await self._call(target, asked, headers, body, another)
        except DeliveryError as error:
            raise NoTokenError(error) from error
        if answer.status_code == 200 and not _names(answer.content):
            raise httpx.DecodingError("the answer names no message", request=asked)
        return answer.raise_for_status()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _target(self, method: str, url: str) -> tuple[URL, httpx.Request]:
        """What is the same in every call is made once."""
        found = self._asked.get(url)
        if found is None:
            found = self._asked[url] = URL(url), httpx.Request(method.upper(), url)
        return found

    async def _call(
        self, target: URL, asked: httpx.Request, headers: Mapping[str, str], body: bytes, token: str
    ) -> httpx.Response:
        sent = {**headers, "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            async with self._opened().request(
                asked.method, target, data=body, headers=sent, allow_redirects=False
            ) as answer:
                content = await answer.read()
                after = answer.headers.get("Retry-After")
                status = answer.status
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise httpx.ConnectError("no connection", request=asked) from error
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time", request=asked) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError("the connection broke", request=asked) from error
        told = {"retry-after": after} if after else None
        return httpx.Response(status, headers=told, content=content, request=asked)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def _names(content: bytes) -> bool:
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        return False
    return isinstance(told, dict) and isinstance(told.get("name"), str)
