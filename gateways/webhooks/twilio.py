"""Owns what Twilio tells: what became of messages, and who wants no more of them (STOP), or again (START).

It says no time. A repeat is known by the message and its status, and after those ids are forgotten by the
ledger. A STOP and a START that arrive in the wrong order are not told apart: the one that came last counts.
After a STOP that was overtaken by its START, Twilio refuses the next message (21610), which is noted; after a
START overtaken by its STOP nothing is sent until the person says START again, or allows it in the hub.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit
from uuid import UUID

from multidict import MultiDict
from twilio.request_validator import (
    SIGNATURE_HEADER,
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    get_signature_algorithm,
)
from twilio.twiml.messaging_response import MessagingResponse

from gateways.problems import bad_request
from gateways.webhooks.base import Webhook, forged, unreached
from schemas.db import Connection
from schemas.store.consent import EVERY_TOPIC, Consent, ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Delivery
from schemas.store.endpoints import Endpoints

HEADERS: Final = (SIGNATURE_HEADER, SIGNATURE_SETTINGS_HEADER)
NOTHING_TO_SAY: Final = str(MessagingResponse())
"""Twilio answers STOP, START and HELP itself: a second answer would be one too many."""
MOST_FIELDS: Final = 500

# What becomes of a delivery; it only ever goes forward. That anything is told shows that it was taken.
STATUS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("accepted", "scheduled", "queued", "sending", "sent", "partially_delivered"), "sent"),
    "delivered": "delivered",
    "read": "opened",
    **dict.fromkeys(("failed", "undelivered", "canceled"), "failed"),
}
WHY: Final[Mapping[str, str]] = {
    "21610": "its owner told Twilio to stop",
    "30003": "the phone cannot be reached",
    "30004": "the message is blocked there",
    "30005": "the number is not known, or in service no more",
    "30006": "a landline, or a carrier that cannot be reached",
    "30007": "filtered as unwanted",
    "30008": "the carrier said no more",
    "30036": "its time was over before it could be sent",
}
OPTED_OUT: Final = "21610"

# The words of Twilio's default; where a messaging service has its own, it says what they mean.
WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"),
        "STOP",
    ),
    **dict.fromkeys(("START", "UNSTOP"), "START"),
    "YES": "YES",
}
KEYWORD: Final = "keyword"
"""The source of refusals that YES takes back; of others it may be the answer to anything."""


class TwilioHook:
    """POST /webhooks/twilio."""

    provider: ClassVar[str] = "twilio"
    accounts: ClassVar[tuple[str, ...]] = ("twilio", "twilio_fallback")
    """Who may speak here, by our names for them."""

    def __init__(self) -> None:
        self._deliveries = Deliveries()
        self._endpoints = Endpoints()
        self._consent = ConsentLedger()

    def read(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Mapping[str, str],
        sids: Mapping[str, str],
    ) -> Webhook:
        """Verify and parse; `url` as Twilio called it, `secrets` and `sids` by our names for accounts."""
        form = _form(body)
        account = _account(url, form, headers, secrets)
        sid, status = form.get("MessageSid", ""), form.get("MessageStatus")
        if not re.fullmatch(r"[A-Za-z0-9]{1,64}", sid):
            raise bad_request("the field `MessageSid` is missing, or no name of a message")
        if status is not None and not re.fullmatch(r"[a-z_-]{1,32}", status):
            raise bad_request("the field `MessageStatus` is not a status")
        if account in sids and form.get("AccountSid", sids[account]) != sids[account]:
            raise forged()  # our secret, and yet not our account: a mixture that nobody configured
        said: dict[str, Any] = {**form, "account": account, "delivery": _delivery(url)}
        return Webhook(f"{sid}:{status or 'inbound'}", said)

    async def apply(self, tx: Connection, webhook: Webhook, now: datetime) -> Delivery | None:
        said = webhook.said
        if "MessageStatus" in said:
            return await self._report(tx, said, now)
        await self._heard(tx, said, now)
        return None

    async def _report(self, tx: Connection, said: Mapping[str, Any], now: datetime) -> Delivery | None:
        status, code = STATUS.get(said["MessageStatus"]), said.get("ErrorCode") or None
        if status is None:
            return None
        delivery = await self._deliveries.report(
            tx,
            said["account"],
            said["MessageSid"],
            status=status,
            now=now,
            detail=_detail(said["MessageStatus"], code),
            delivery=said["delivery"],
        )
        if delivery and code == OPTED_OUT:
            await self._note(tx, delivery.address, said["MessageSid"], now, allowed=False)
        return delivery if unreached(delivery, status) else None

    async def _heard(self, tx: Connection, said: Mapping[str, Any], now: datetime) -> None:
        """Of what people write, only whether they want messages is of use here."""
        address = str(said.get("From", ""))
        wish = said.get("OptOutType", "").upper() or WORDS.get(str(said.get("Body", "")).strip().upper())
        if not address.startswith("+") or wish not in {"STOP", "START", "YES"}:
            return
        if wish == "YES" and not _refused_by_sms(await self._consent.of_address(tx, "sms", address)):
            return
        await self._note(tx, address, said["MessageSid"], now, allowed=wish != "STOP")

    async def _note(self, tx: Connection, address: str, sid: str, now: datetime, *, allowed: bool) -> None:
        """Write it down for all who have the number, or for nobody; once, however late it is repeated."""
        if any(one.detail == sid for one in await self._consent.of_address(tx, "sms", address)):
            return
        owners: list[str | None] = [*await self._endpoints.owners(tx, "sms", address)]
        for user in owners or [None]:
            entry = NewConsent(
                channel="sms", address=address, allowed=allowed, source=KEYWORD, detail=sid, user_id=user
            )
            await self._consent.add(tx, entry, now)


def _form(body: bytes) -> MultiDict[str]:
    """Empty fields are signed, too. What cannot be read was not signed by anybody."""
    try:
        text = body.decode()
        return MultiDict(parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise forged() from None


def _account(url: str, form: MultiDict[str], headers: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """The account whose secret it was signed with; raises `forged`."""
    signature = headers.get(SIGNATURE_HEADER, "")
    algorithm = get_signature_algorithm(headers.get(SIGNATURE_SETTINGS_HEADER))
    if signature and url.isascii():
        for account, secret in secrets.items():
            if RequestValidator(secret).validate(url, form, signature, algorithm):
                return account
    raise forged()


def _delivery(url: str) -> UUID | None:
    """The delivery as we named it when we sent it: known even before Twilio's own name for it is."""
    try:
        return UUID(parse_qs(urlsplit(url).query).get("delivery", [""])[0])
    except ValueError:
        return None


def _detail(status: str, code: str | None) -> str | None:
    if code is None:
        return None
    why = WHY.get(code)
    return f"{status}: {code[:10]}" + (f", {why}" if why else "")


def _refused_by_sms(entries: list[Consent]) -> bool:
    last = next((one for one in entries if one.topic == EVERY_TOPIC), None)
    return last is not None and not last.allowed and last.source == KEYWORD
