"""Owns the simulator of Resend: POST /emails and /emails/batch as Resend answers them, and its webhooks."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import uuid4

import orjson
from aiohttp import web

from ops.simulators.base import KEPT, SLOW_S, Message, Mode, Simulator, json_answer, silence
from ops.simulators.svix import Svix
from schemas.clock import Clock

MOST: Final = 100
RATE: Final = 5
QUOTA_S: Final = 5  # the real one has no such mercy; nobody wants to wait for midnight here
# Of one address among many, without end, these are the mail's own error: nothing would ever get by beside it.
APART: Final[Mapping[Mode, str]] = {
    "quota": "Too many requests",
    "timeout": "Not taken in time, try again",
    "down": "The service is down, try again",
}
REMEMBERED: Final = timedelta(hours=24)
BOUNCE: Final = {
    "type": "Permanent",
    "subType": "General",
    "message": "The recipient's mail server said that there is nobody of this name",
}


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, name: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"statusCode": status, "name": name, "message": message}
        self.headers = {key.replace("_", "-"): value for key, value in headers.items()}


@dataclass(slots=True)
class _Known:
    """A request with an idempotency key: what it was and, once it is done, how it was answered."""

    digest: bytes
    at: datetime
    answer: Any = None


class ResendSimulator(Simulator):
    """Takes mails as Resend does. What it took, it tells the hub of: delivered, or bounced."""

    name: ClassVar[str] = "resend"

    def __init__(self, clock: Clock, svix: Svix, *, rate: int = RATE) -> None:
        super().__init__(clock)
        self._svix = svix
        self._rate = rate
        self._known: dict[str, _Known] = {}
        self._taken: dict[str, Message] = {}
        """By id, also what was forgotten since: more may happen to it."""
        self._window = 0
        self._used = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/emails", self._one), web.post("/emails/batch", self._batch)]

    async def close(self) -> None:
        await self._svix.close()

    async def _one(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, batch=False)

    async def _batch(self, request: web.Request) -> web.StreamResponse:
        return await self._answered(request, batch=True)

    async def _answered(self, request: web.Request, *, batch: bool) -> web.StreamResponse:
        limits = self._count()
        try:
            _authorized(request)
            self._check_rate()
            answer = await self._take(request, batch=batch)
        except RefusedError as refused:
            return json_answer(refused.body, refused.status, {**limits, **refused.headers})
        except TimeoutError:
            return await silence(request)
        return json_answer(answer, 200, limits)

    def _count(self) -> dict[str, str]:
        """Count the request; the window is a second."""
        now = int(self._loop_time())
        if now != self._window:
            self._window, self._used = now, 0
        self._used += 1
        return {
            "ratelimit-limit": str(self._rate),
            "ratelimit-remaining": str(max(0, self._rate - self._used)),
            "ratelimit-reset": "1",
        }

    def _check_rate(self) -> None:
        if self._used > self._rate:
            raise RefusedError(429, "rate_limit_exceeded", "Too many requests", retry_after="1")

    @staticmethod
    def _loop_time() -> float:
        return asyncio.get_running_loop().time()

    async def _take(self, request: web.Request, *, batch: bool) -> Any:
        """Answer a request; raises RefusedError, or TimeoutError for one that gets no answer."""
        body = await request.read()
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return await self._process(request, body, batch=batch)
        known = self._remembered(key, hashlib.sha256(body).digest())
        if known.answer is None:
            try:
                known.answer = await self._process(request, body, batch=batch, known=known)
            except BaseException:
                if known.answer is None:
                    del self._known[key]
                raise
        return known.answer

    def _remembered(self, key: str, digest: bytes) -> _Known:
        now = self.clock.now()
        known = self._known.get(key)
        if known is None or known.at + REMEMBERED < now:
            known = self._known[key] = _Known(digest, now)
            return known
        if known.digest != digest:
            raise RefusedError(
                409,
                "invalid_idempotent_request",
                "Same idempotency key used with a different request payload",
            )
        if known.answer is None:
            raise RefusedError(
                409,
                "concurrent_idempotent_requests",
                "Same idempotency key used while original is in progress",
            )
        return known

    async def _process(
        self, request: web.Request, body: bytes, *, batch: bool, known: _Known | None = None
    ) -> Any:
        mails = _mails(body, batch=batch)
        permissive = batch and request.headers.get("x-batch-validation") == "permissive"
        addresses = [_to(mail)[0] for mail in mails if _to(mail)]
        own = self.behaviours.lasting(addresses if permissive and len(mails) > 1 else ())
        modes = self.behaviours.of(addresses)
        await _misbehave({mode for to, mode in modes.items() if to not in own or mode not in APART})
        wrong = {n: _wrong(mail, modes, own) for n, mail in enumerate(mails)}
        errors = [{"index": n, "message": said} for n, said in wrong.items() if said]
        if errors and not permissive:
            raise RefusedError(422, "validation_error", str(errors[0]["message"]))
        taken = [self._accept(mail, modes) for n, mail in enumerate(mails) if not wrong[n]]
        ids = [{"id": one} for one in taken]
        answer: Any = ids[0] if not batch else {"data": ids, **({"errors": errors} if permissive else {})}
        if "timeout_after" in modes.values():
            if known:
                known.answer = answer
            raise TimeoutError
        return answer

    def _accept(self, mail: Mapping[str, Any], modes: Mapping[str, Mode]) -> str:
        message = Message(
            id=str(uuid4()),
            address=_to(mail)[0],
            at=self.at(),
            text=str(mail.get("text") or ""),
            subject=str(mail["subject"]),
            html=mail.get("html"),
            headers=mail.get("headers") or {},
            raw=mail,
        )
        self.keep(message)
        self._taken[message.id] = message
        if len(self._taken) > KEPT:
            del self._taken[next(iter(self._taken))]
        gone = modes.get(message.address) == "gone"
        self._svix.later(self._event("email.bounced" if gone else "email.delivered", message))
        return message.id

    def _event(self, kind: str, message: Message) -> dict[str, Any]:
        mail = message.raw
        data: dict[str, Any] = {
            "email_id": message.id,
            "created_at": message.at,
            "from": mail.get("from"),
            "to": _to(mail),
            "subject": message.subject,
            "tags": {tag["name"]: tag["value"] for tag in mail.get("tags") or ()},
        }
        if kind == "email.bounced":
            data["bounce"] = BOUNCE
        return {"type": kind, "created_at": self.at(), "data": data}

    async def inbound(self, said: Mapping[str, Any]) -> web.Response:
        """Something happened to a mail: {"event": "email.complained", "id": …}; answers what the hub said."""
        kind, wanted = said.get("event"), said.get("id")
        if not isinstance(kind, str) or "." not in kind:
            return json_answer({"error": 'event: name one such as "email.bounced"'}, 422)
        found = self._taken.get(wanted) if isinstance(wanted, str) else None
        if found is None:
            return json_answer({"error": "id: there is no such message"}, 404)
        status = await self._svix.send(self._event(kind, found))
        return json_answer({"ok": status == 200, "status": status})


def _authorized(request: web.Request) -> None:
    if not request.headers.get("User-Agent"):
        raise RefusedError(403, "security_error", "Requests without a User-Agent are not taken (1010)")
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not key:
        raise RefusedError(401, "missing_api_key", "Missing API key in the authorization header")
    if not key.startswith("re_"):
        raise RefusedError(403, "invalid_api_key", "API key is invalid")


def _mails(body: bytes, *, batch: bool) -> Sequence[Mapping[str, Any]]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise RefusedError(400, "validation_error", "The body is not JSON") from None
    mails = said if batch else [said]
    if not isinstance(mails, list) or not all(isinstance(one, dict) for one in mails):
        raise RefusedError(422, "validation_error", "The body is not of the right shape")
    if not 1 <= len(mails) <= MOST:
        raise RefusedError(422, "validation_error", f"A batch has 1 to {MOST} mails")
    return mails


async def _misbehave(modes: set[Mode]) -> None:
    """Do to a whole request what was asked for; raises RefusedError or TimeoutError."""
    if "down" in modes:
        raise RefusedError(503, "service_unavailable", "The service is down")
    if "flaky" in modes:
        raise RefusedError(500, "application_error", "Something went wrong")
    if "quota" in modes:
        raise RefusedError(
            429,
            "daily_quota_exceeded",
            "You have reached your daily email sending quota",
            retry_after=str(QUOTA_S),
        )
    if "timeout" in modes:
        raise TimeoutError
    if "slow" in modes:
        await asyncio.sleep(SLOW_S)


def _to(mail: Mapping[str, Any]) -> list[str]:
    to = mail.get("to")
    return [str(one) for one in to] if isinstance(to, list) else [to] if isinstance(to, str) else []


def _wrong(mail: Mapping[str, Any], modes: Mapping[str, Mode], own: Collection[str]) -> str | None:
    to = _to(mail)
    if not to or not all("@" in one for one in to):
        return "Invalid `to` field"
    if not mail.get("from") or not mail.get("subject"):
        return "Missing `from` or `subject` field"
    if not (mail.get("html") or mail.get("text")):
        return "Missing `html` or `text` field"
    mode = modes.get(to[0], "ok")
    if mode in APART and to[0] in own:
        return APART[mode]
    return "The address is not taken" if mode == "reject" else None
