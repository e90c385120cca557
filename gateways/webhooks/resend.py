"""Owns what Resend tells of mails: delivered, opened, bounced, complained of; and what follows from it."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

import orjson

from gateways.masking import without_mail_addresses
from gateways.problems import bad_request
from gateways.webhooks.base import Webhook, forged, unreached
from schemas.db import Connection
from schemas.store.consent import ConsentLedger, NewConsent
from schemas.store.deliveries import Deliveries, Delivery

TOLERANCE_S: Final = 300
HEADERS: Final = ("svix-id", "svix-timestamp", "svix-signature")
LONGEST_ID: Final = 200
LONGEST_DETAIL: Final = 300

# What becomes of a delivery; it only ever goes forward.
STATUS: Final[Mapping[str, str]] = {
    "email.delivered": "delivered",
    "email.opened": "opened",
    "email.clicked": "clicked",
    "email.bounced": "bounced",
    "email.complained": "delivered",
    "email.failed": "failed",
    "email.suppressed": "failed",
}


class ResendHook:
    """POST /webhooks/resend."""

    provider: ClassVar[str] = "resend"

    def __init__(self) -> None:
        self._deliveries = Deliveries()
        self._consent = ConsentLedger()

    def read(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> Webhook:
        webhook, timestamp, signatures = (headers.get(name, "") for name in HEADERS)
        # Before anything is read: who cannot sign is not told what is wrong with the rest.
        if not _is_signed(f"{webhook}.{timestamp}.", body, signatures, secret):
            raise forged()
        if not 1 <= len(webhook) <= LONGEST_ID:
            raise bad_request(f"the header `svix-id` must have 1 to {LONGEST_ID} characters")
        _check_fresh(timestamp, now)
        try:
            said: Any = orjson.loads(body)
        except ValueError:
            raise bad_request("the body is not JSON in UTF-8") from None
        if not (isinstance(said, dict) and isinstance(said.get("data"), dict)):
            raise bad_request("the body has no `data`")
        return Webhook(webhook, said)

    async def apply(self, tx: Connection, webhook: Webhook, now: datetime) -> Delivery | None:
        kind, data = str(webhook.said.get("type")), webhook.said["data"]
        delivery = await self._report(tx, kind, data, now)
        source = _refusal(kind, data)
        if source:
            await self._refuse(tx, source, data, delivery, now)
        return delivery if unreached(delivery, STATUS.get(kind)) else None

    async def _refuse(
        self, tx: Connection, source: str, data: Mapping[str, Any], delivery: Delivery | None, now: datetime
    ) -> None:
        for address in [delivery.address] if delivery else _addresses(data):
            entry = NewConsent(
                channel="email",
                address=address,
                allowed=False,
                source=source,
                detail=_detail(data),
                user_id=delivery.user_id if delivery else None,
            )
            await self._consent.add(tx, entry, now)

    async def _report(
        self, tx: Connection, kind: str, data: Mapping[str, Any], now: datetime
    ) -> Delivery | None:
        status, ref = STATUS.get(kind), data.get("email_id")
        if status is None or not isinstance(ref, str):
            return None
        return await self._deliveries.report(
            tx,
            self.provider,
            ref,
            status=status,
            now=now,
            detail=kind.removeprefix("email.") if kind == "email.complained" else _detail(data),
            delivery=_delivery(data),
        )


def _is_signed(named: str, body: bytes, signatures: str, secret: str) -> bool:
    """Whether one of the signatures is right: there are several while the secret is being changed.

    The library of Resend can check it, too, but of JSON only, and by the clock of the machine.
    """
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except ValueError:
        return False
    right = base64.b64encode(hmac.digest(key, _bytes(named) + body, hashlib.sha256))
    given = (one.partition(",") for one in signatures.split())
    return any(version == "v1" and hmac.compare_digest(_bytes(mac), right) for version, _, mac in given)


def _bytes(header: str) -> bytes:
    return header.encode(errors="surrogateescape")  # as it came


def _check_fresh(timestamp: str, now: datetime) -> None:
    if not (timestamp.isascii() and timestamp.isdigit()):
        raise bad_request("the header `svix-timestamp` is not a time in seconds")
    if abs(now.timestamp() - int(timestamp)) > TOLERANCE_S:
        raise bad_request(f"the webhook is older or newer than {TOLERANCE_S} s")


def _refusal(kind: str, data: Mapping[str, Any]) -> str | None:
    """Why nothing more may be sent to the address, if that follows."""
    if kind == "email.bounced":
        bounce = data.get("bounce")
        permanent = isinstance(bounce, dict) and bounce.get("type") == "Permanent"
        return "bounce" if permanent else None
    return {"email.complained": "complaint", "email.suppressed": "suppressed"}.get(kind)


def _delivery(data: Mapping[str, Any]) -> UUID | None:
    """The delivery as we named it when we sent it: known even before the provider's own name for it is."""
    tags = data.get("tags")
    if isinstance(tags, list):  # as they are sent; what comes back is an object
        tags = {one.get("name"): one.get("value") for one in tags if isinstance(one, dict)}
    named = tags.get("delivery") if isinstance(tags, dict) else None
    try:
        return UUID(named) if isinstance(named, str) else None
    except ValueError:
        return None


def _addresses(data: Mapping[str, Any]) -> list[str]:
    to = data.get("to")
    return [one for one in to if isinstance(one, str)] if isinstance(to, list) else []


def _detail(data: Mapping[str, Any]) -> str | None:
    bounce = data.get("bounce")
    message = bounce.get("message") if isinstance(bounce, dict) else None
    return without_mail_addresses(message)[:LONGEST_DETAIL] if isinstance(message, str) else None
