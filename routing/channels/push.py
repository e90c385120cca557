"""Owns push through FCM: up to 500 messages in a call of the library, each with an outcome of its own."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import uuid4

import firebase_admin
from firebase_admin import messaging
from firebase_admin.exceptions import FirebaseError
from google.oauth2.service_account import Credentials as ServiceAccount

from routing.channels.base import Addressed, Outcome, Pace, Receipt, Rendered
from routing.channels.push_errors import explained, said
from routing.channels.push_http import PooledHttp
from routing.channels.push_message import composed
from routing.channels.push_token import AccessToken
from routing.errors import DeliveryError, MessageRejectedError
from routing.model import ChannelKind, Endpoint
from schemas.clock import Clock

API: Final = "https://fcm.googleapis.com"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
CALL_S: Final = 10.0  # a collapse id makes it harmless to give up early
UNHURRIED: Final = Pace(10_000.0)  # what a project may send, 600,000 a minute; FCM's answers do not tell it
NOBODY: Final = "simulated"


@dataclass(frozen=True, slots=True, kw_only=True)
class FcmConfig:
    """The project that push goes out from; without credentials it can only be an emulator's."""

    project: str | None = None
    """Not set: the one that the credentials name."""
    credentials: str | None = field(default=None, repr=False)
    """A service account's key: its JSON, or the path of the file."""
    base_url: str | None = None
    token_uri: str | None = None
    """Where tokens are fetched; not set: where the credentials say."""
    call_s: float = CALL_S


class PushChannel:
    """Push through one project: to apps on phones, and to browsers, of which FCM is told alike."""

    kind: ClassVar[ChannelKind] = "push"
    provider: ClassVar[str] = "fcm"
    keyed: ClassVar[bool] = True
    most: ClassVar[int] = 500

    def __init__(self, config: FcmConfig, clock: Clock) -> None:
        """Raises ValueError, without the key, if the credentials cannot be read."""
        key = _read(config.credentials) if config.credentials else {}
        project = config.project or str(key.get("project_id") or NOBODY)
        base_url = (config.base_url or API).rstrip("/")
        self._clock = clock
        self._closed = False
        self._token = AccessToken(_account(key, config.token_uri) if key else None)
        self._http = PooledHttp(self._token, config.call_s)
        self._app = firebase_admin.initialize_app(
            self._token, {"projectId": project, "httpTimeout": config.call_s}, name=f"hub-{uuid4().hex}"
        )
        self._service: Any = messaging._get_messaging_service(self._app)  # noqa: SLF001  no public way
        self._unused = self._service._async_client  # noqa: SLF001
        self._service._async_client = self._http  # noqa: SLF001
        self._service._fcm_url = f"{base_url}/v1/projects/{project}/messages:send"  # noqa: SLF001

    @property
    def pace(self) -> Pace:
        return UNHURRIED

    async def send(self, message: Rendered, to: Endpoint, *, key: str) -> Receipt:
        (came,) = await self.send_many([Addressed(message, to, key)])
        if isinstance(came, DeliveryError):
            raise came
        return came

    async def send_many(self, messages: Sequence[Addressed]) -> list[Outcome]:
        await self._token.current()  # without one, all of them fail, and need not be tried
        now = self._clock.now()
        made = [composed(one.message, one.to, key=one.key, now=now) for one in messages]
        outcomes: list[Outcome] = []
        for start in range(0, len(made), self.most):
            outcomes += await self._call(made[start : start + self.most])
        return outcomes

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._token.close()
        await self._http.close()
        self._service._async_client = self._unused  # noqa: SLF001  the library closes its own
        # It does so with a loop of its own, which cannot run inside of ours.
        await asyncio.to_thread(firebase_admin.delete_app, self._app)

    async def _call(self, made: list[messaging.Message]) -> list[Outcome]:
        try:
            answer = await messaging.send_each_async(made, app=self._app)
        except ValueError as error:
            # The library refuses all for the sake of one, before anything is sent.
            if len(made) == 1:
                return [MessageRejectedError(said(f"the library refuses the message: {error}"))]
            return [outcome for one in made for outcome in await self._call([one])]
        except FirebaseError as error:
            raise explained(error, self._clock.now()) from error
        return [self._outcome(one) for one in answer.responses]

    def _outcome(self, one: messaging.SendResponse) -> Outcome:
        return Receipt(one.message_id) if one.success else explained(one.exception, self._clock.now())


def _read(credentials: str) -> Mapping[str, Any]:
    text = credentials.strip()
    try:
        found = json.loads(text if text.startswith("{") else Path(text).expanduser().read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"the credentials' file cannot be read ({error.strerror}); name another") from None
    except ValueError:
        raise ValueError("the credentials are no JSON; give the key of a service account") from None
    if not isinstance(found, dict) or found.get("type") != "service_account":
        raise ValueError('the credentials are of another kind; give a key whose "type" is "service_account"')
    return found


def _account(key: Mapping[str, Any], token_uri: str | None) -> ServiceAccount:
    told = {**key, "token_uri": token_uri} if token_uri else dict(key)
    try:
        made: ServiceAccount = ServiceAccount.from_service_account_info(  # type: ignore[no-untyped-call]
            told, scopes=[SCOPE]
        )
    except (ValueError, TypeError):
        raise ValueError("the key of the service account is broken; make a new one") from None
    return made
