"""Owns the token that FCM is called with: fetched in a thread before it ends, one fetch at a time."""

import asyncio
from functools import partial
from typing import Any, Final

import requests
import structlog
from google.auth.credentials import Credentials, TokenState
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import Request
from google.oauth2.service_account import Credentials as ServiceAccount

from bus.tasks import cancel, spawn
from routing.channels.push_errors import said
from routing.errors import ChannelMisconfiguredError, DeliveryError, TransientDeliveryError

log = structlog.get_logger(__name__)

FETCH_S: Final = 5.0
AGAIN_S: Final = 10.0
OPEN: Final = "owner"  # what an emulator on this machine takes


class AccessToken(Credentials):
    """The credential that the library is given.

    The account's own credential is never handed out: whoever calls with it lets it fetch on the event loop,
    and look up regions of Google in a thread of its own.
    """

    def __init__(self, account: ServiceAccount | None, *, fetch_s: float = FETCH_S) -> None:
        """Without an account the token is the one that emulators take."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.token: str | None = OPEN if account is None else None
        self._account = account
        self._fetch_s = fetch_s
        self._fetching: asyncio.Task[DeliveryError | None] | None = None
        self._again_at = 0.0
        self._closed = False

    async def current(self) -> str:
        """A token that counts; one that ends soon is replaced meanwhile. Raises DeliveryError."""
        state = self.token_state
        if state is TokenState.INVALID:
            await self._fetched()
        elif state is TokenState.STALE and (now := asyncio.get_running_loop().time()) >= self._again_at:
            self._again_at = now + AGAIN_S
            self._begin()
        return str(self.token)

    async def renewed(self, refused: str) -> str:
        """Another one in place of that which was refused; many may ask for it. Raises DeliveryError."""
        if self.token == refused and self._account is not None:
            await self._fetched()
        return str(self.token)

    async def close(self) -> None:
        self._closed = True
        if self._fetching is not None:
            await cancel(self._fetching)

    def refresh(self, _request: object = None) -> None:
        """Fetch a token; it blocks, so only a thread may call it."""
        if self._account is None:
            return
        with requests.Session() as session:
            request: Any = Request(session)
            self._account.refresh(partial(self._ask, request))  # type: ignore[no-untyped-call]
        self.token, self.expiry = self._account.token, self._account.expiry

    def _ask(self, request: Any, **asked: Any) -> Any:
        """The library asks several times, and would wait two minutes for each answer."""
        if self._closed:
            raise TransportError("the channel is closed")  # type: ignore[no-untyped-call]
        return request(**asked, timeout=self._fetch_s)

    async def _fetched(self) -> None:
        """Wait for the fetch that is under way, or begin one; it goes on if it takes too long for us."""
        try:
            async with asyncio.timeout(2 * self._fetch_s):
                error = await asyncio.shield(self._begin())
        except TimeoutError:
            raise TransientDeliveryError("no access token came in time") from None
        if error is not None:
            raise error

    def _begin(self) -> asyncio.Task[DeliveryError | None]:
        if self._fetching is None or self._fetching.done():
            self._fetching = spawn(self._fetch(), name="access token of FCM")
        return self._fetching

    async def _fetch(self) -> DeliveryError | None:
        try:
            await asyncio.to_thread(self.refresh)
        except (GoogleAuthError, TypeError, ValueError) as error:
            found = _explained(error)
            log.warning("there is no new access token for push", error=str(found))
            return found
        return None


def _explained(error: Exception) -> DeliveryError:
    """A refusal in words of OAuth is about the account; anything else may be over in a moment."""
    match error:
        case RefreshError(args=(message, {"error": _})) if not error.retryable:
            return ChannelMisconfiguredError(said(f"the service account is refused: {message}"))
        case RefreshError(args=(message, *_)):
            return TransientDeliveryError(said(f"the token endpoint fails: {message}"))
        case TransportError():
            return TransientDeliveryError("the token endpoint cannot be reached")
        case _:
            return TransientDeliveryError("the token endpoint answers with something else than a token")
