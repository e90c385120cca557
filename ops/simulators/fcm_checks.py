"""Owns what the simulator of FCM takes and what it refuses, in the words of Google's errors."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

QUOTA_S: Final = 5  # the real one asks for a minute at least; nobody wants to wait for that here
MOST: Final = 4096
TARGETS: Final = ("token", "fid", "topic", "condition")
MEMBERS: Final = frozenset(
    {*TARGETS, "name", "data", "notification", "android", "webpush", "apns", "fcm_options"}
)
TYPES: Final = "type.googleapis.com"


class RefusedError(Exception):
    """An answer that is no success, as Google writes it."""

    def __init__(
        self, status: int, word: str, message: str, *details: Mapping[str, Any], retry_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {} if retry_s is None else {"Retry-After": str(retry_s)}
        self.body: dict[str, Any] = {"error": {"code": status, "message": message, "status": word}}
        if details:
            self.body["error"]["details"] = list(details)


def parsed(body: bytes) -> dict[str, Any]:
    """Raises RefusedError for what holds no message."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("message"), dict):
        raise RefusedError(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
    return asked


def address_of(message: Mapping[str, Any]) -> str:
    """Whom a message is for; raises RefusedError for what FCM would not take."""
    if unknown := sorted(set(message) - MEMBERS):
        said = f"Invalid JSON payload received. Unknown name {unknown[0]!r}: Cannot find field."
        raise invalid("message", said)
    targets = [name for name in TARGETS if message.get(name)]
    if len(targets) != 1:
        raise invalid("message", "Exactly one of token, fid, topic or condition is required")
    address = str(message[targets[0]])
    if re.search(r"[\s{}]|^https?://", address):  # such as a browser's own subscription
        said = "The registration token is not a valid FCM registration token"
        raise invalid(f"message.{targets[0]}", said)
    for field, said in _mistakes(message):
        raise invalid(field, said)
    if len(orjson.dumps({name: said for name, said in message.items() if name not in targets})) > MOST:
        raise invalid("message", "Message is too big")
    return address


def _mistakes(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in (message.get("data") or {}).items():
        if not isinstance(value, str):
            yield f"message.data[{name}].value", "Invalid value (TYPE_STRING)"
    android, apple, web = (message.get(name) or {} for name in ("android", "apns", "webpush"))
    if not re.fullmatch(r"\d+(\.\d{1,9})?s", android.get("ttl", "0s")):
        yield "message.android.ttl", "Field 'ttl', Illegal duration format; duration must end with 's'"
    if len((apple.get("headers") or {}).get("apns-collapse-id", "").encode()) > 64:
        yield "message.apns.headers", "apns-collapse-id is longer than 64 bytes"
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,32}", (web.get("headers") or {}).get("Topic", "")):
        yield "message.webpush.headers", "Topic is not of 32 characters or fewer of URL-safe base64"
    if not (web.get("fcm_options") or {}).get("link", "https://").startswith("https://"):
        yield "message.webpush.fcm_options.link", "The link must be a HTTPS URL"


def invalid(field: str, said: str) -> RefusedError:
    violations = [{"field": field, "description": said}]
    request = {"@type": f"{TYPES}/google.rpc.BadRequest", "fieldViolations": violations}
    return RefusedError(400, "INVALID_ARGUMENT", said, _code("INVALID_ARGUMENT"), request)


def unregistered() -> RefusedError:
    return RefusedError(404, "NOT_FOUND", "Requested entity was not found.", _code("UNREGISTERED"))


def of_another_sender() -> RefusedError:
    """The token was given to an app of another project."""
    return RefusedError(403, "PERMISSION_DENIED", "SenderId mismatch", _code("SENDER_ID_MISMATCH"))


def unauthenticated() -> RefusedError:
    said = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or"
        " other valid authentication credential."
    )
    return RefusedError(401, "UNAUTHENTICATED", said)


def over_quota(device: str | None) -> RefusedError:
    """One device was sent too much, or all of them together."""
    subject = f"device:{device}" if device else "project:simulated"
    said = "Device message rate exceeded." if device else "Quota exceeded for quota metric 'Messages sent'."
    violations = [{"subject": subject, "description": said}]
    failure = {"@type": f"{TYPES}/google.rpc.QuotaFailure", "violations": violations}
    return RefusedError(429, "RESOURCE_EXHAUSTED", said, _code("QUOTA_EXCEEDED"), failure, retry_s=QUOTA_S)


def broken() -> RefusedError:
    return RefusedError(500, "INTERNAL", "Internal error encountered.", _code("INTERNAL"))


def unavailable() -> RefusedError:
    said = "The service is currently unavailable."
    return RefusedError(503, "UNAVAILABLE", said, _code("UNAVAILABLE"))


def _code(code: str) -> dict[str, Any]:
    return {"@type": f"{TYPES}/google.firebase.fcm.v1.FcmError", "errorCode": code}
