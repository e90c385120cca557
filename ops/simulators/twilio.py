"""Owns the simulator of Twilio: messages, what it tells of them, and its own handling of STOP and START."""

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from email.utils import format_datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl
from uuid import uuid4

from aiohttp import web

from ops.simulators.base import SLOW_S, Message, Mode, Simulator, json_answer, silence
from ops.simulators.twilio_callbacks import Callbacks
from schemas.clock import Clock

API: Final = "2010-04-01"
NUMBER: Final = "+15550001111"
E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
LONGEST: Final = 1_600
QUOTA_S: Final = 1
TOLD: Final = ("queued", "sent", "delivered")
STOP: Final = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
START: Final = frozenset({"START", "YES", "UNSTOP"})
KINDS: Final = frozenset({"STOP", "START", "HELP"})


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class TwilioSimulator(Simulator):
    """Takes messages for one account, calls back what became of them, and heeds STOP by itself."""

    name: ClassVar[str] = "twilio"

    def __init__(
        self,
        clock: Clock,
        *,
        account_sid: str,
        auth_token: str,
        webhook: str,
        public_webhook: str | None = None,
    ) -> None:
        """`webhook` is where the hub listens here, `public_webhook` what it believes to be called."""
        super().__init__(clock)
        self._account = account_sid
        self._token = auth_token
        self._inbound_url = public_webhook or webhook
        self._callbacks = Callbacks(webhook)
        self.opted_out: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        return [web.post(f"/{API}/Accounts/{{account}}/Messages.json", self._create)]

    async def close(self) -> None:
        await self._callbacks.close()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            self._authorize(request)
            form = dict(parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True))
            answer = await self._take(form)
        except RefusedError as refused:
            return json_answer(refused.body, refused.status, refused.headers)
        except TimeoutError:
            return await silence(request)
        return json_answer(answer, 201)

    def _authorize(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        try:
            name, _, token = base64.b64decode(given).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = token = ""
        if scheme != "Basic" or (name, token) != (self._account, self._token):
            raise RefusedError(401, 20003, "Authenticate")
        if request.match_info["account"] != name:
            raise RefusedError(404, 20404, f"The requested resource {request.path} was not found")

    async def _take(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request; raises RefusedError, or TimeoutError for one without an answer."""
        to = form.get("To", "")
        mode = self.behaviours.take(to)
        await _misbehave(mode)
        _check(form)
        if to in self.opted_out:
            raise RefusedError(400, 21610, "Attempt to send to unsubscribed recipient")
        if mode == "gone":
            raise RefusedError(400, 21614, f"'To' number: {to}, is not a valid mobile number")
        if mode == "reject":
            raise RefusedError(400, 21408, f"Permission to send an SMS has not been enabled for {to}")
        answer = self._accept(form)
        if mode == "timeout_after":
            raise TimeoutError
        return answer

    def _accept(self, form: Mapping[str, str]) -> dict[str, Any]:
        sid = f"SM{uuid4().hex}"
        text = form["Body"]
        self.keep(Message(id=sid, address=form["To"], at=self.at(), text=text, raw=dict(form)))
        if url := form.get("StatusCallback"):
            for status in TOLD:
                told = self._told(form, sid, MessageStatus=status, SmsStatus=status)
                self._callbacks.later(self._token, url, told)
        return {
            "sid": sid,
            "status": "accepted" if "MessagingServiceSid" in form else "queued",
            "to": form["To"],
            "from": form.get("From"),
            "body": text,
            "account_sid": self._account,
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "num_segments": "0",
            "num_media": "0",
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "price": None,
            "price_unit": None,
            "date_created": format_datetime(self.clock.now()),
            "api_version": API,
            "uri": f"/{API}/Accounts/{self._account}/Messages/{sid}.json",
            "subresource_uris": {"media": f"/{API}/Accounts/{self._account}/Messages/{sid}/Media.json"},
        }

    def _told(self, form: Mapping[str, str], sid: str, **rest: str) -> dict[str, str]:
        return {
            "MessageSid": sid,
            "SmsSid": sid,
            "To": form["To"],
            "From": form.get("From") or NUMBER,
            "AccountSid": self._account,
            "ApiVersion": API,
            "MessagingServiceSid": form.get("MessagingServiceSid", ""),
            **rest,
        }

    async def inbound(self, said: Mapping[str, Any]) -> web.Response:
        """Somebody writes: {"from": "+1555…", "text": "STOP"}; answers what the hub said.

        With "opt_out_type" it is as with Advanced Opt-Out: the service has words of its own, and says so.
        """
        number, text, kind = said.get("from"), said.get("text"), said.get("opt_out_type")
        if not isinstance(number, str) or not E164.fullmatch(number):
            return json_answer({"error": "from: name a number such as +15551234567"}, 422)
        if not isinstance(text, str):
            return json_answer({"error": "text: say what was written"}, 422)
        if kind is not None and kind not in KINDS:
            return json_answer({"error": "opt_out_type: STOP, START or HELP"}, 422)
        self._heed(number, kind or text.strip().upper())
        form = self._told({"To": NUMBER, "From": number}, f"SM{uuid4().hex}")
        form |= {"Body": text, "SmsStatus": "received", "NumMedia": "0", "NumSegments": "1", "FromCity": ""}
        if kind:
            form["OptOutType"] = kind
        status = await self._callbacks.send(self._token, self._inbound_url, form)
        return json_answer({"ok": status == 200, "status": status})

    def _heed(self, number: str, word: str) -> None:
        """Twilio does so before it tells the hub, and answers by itself."""
        if word in STOP:
            self.opted_out.add(number)
        elif word in START:
            self.opted_out.discard(number)


async def _misbehave(mode: Mode) -> None:
    """Do what comes before the message is looked at; raises what ends the request."""
    if mode in {"down", "flaky"}:
        raise RefusedError(503, 20503, "Service is unavailable. Please try again")
    if mode == "quota":
        raise RefusedError(429, 20429, "Too Many Requests", Retry_After=str(QUOTA_S))
    if mode == "timeout":
        raise TimeoutError
    if mode == "slow":
        await asyncio.sleep(SLOW_S)


def _check(form: Mapping[str, str]) -> None:
    """Raise RefusedError for what the real one would not take."""
    to, body = form.get("To"), form.get("Body")
    if not to:
        raise RefusedError(400, 21604, "A 'To' phone number is required.")
    if not E164.fullmatch(to):
        raise RefusedError(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not body:
        raise RefusedError(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise RefusedError(400, 21617, "The concatenated message body exceeds the 1600 character limit")
    if not form.get("From") and not form.get("MessagingServiceSid", "").startswith("MG"):
        raise RefusedError(400, 21603, "A 'From' phone number or a 'MessagingServiceSid' is required.")
    if not re.fullmatch(r"https?://[^\s/_]+(/\S*)?", form.get("StatusCallback", "http://none")):
        raise RefusedError(400, 21609, "The StatusCallback URL is not a valid URL.")
    validity = form.get("ValidityPeriod", "1")
    if not validity.isdecimal() or not 1 <= int(validity) <= 36_000:
        raise RefusedError(400, 20001, "ValidityPeriod is out of range")
