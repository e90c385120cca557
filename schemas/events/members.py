"""Owns the types event members are made of, with their limits and the words for what breaks them."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from schemas.ids import USER_ID_PATTERN, UserId

# PostgreSQL can store every character but NUL; rooms and ordering keys are made of ids, and are shown.
_NO_NUL: Final = r"^[^\x00]*$"
_NO_CONTROLS: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
# No backslash: browsers read it as a slash, so the host they visit is not the one a reader sees.
_HTTP_URL: Final = r"^https?://[^\s\x00-\x1f\x7f-\x9f\\/?#]+([/?#][^\s\x00-\x1f\x7f-\x9f\\]*)?$"
_CURRENCY: Final = r"^[A-Z]{3}$"
_BASE64: Final = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"

PATTERN_WORDS: Final = {
    USER_ID_PATTERN: "must be a user id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
    _NO_NUL: "must not contain the NUL character (\\u0000)",
    _NO_CONTROLS: "must not contain control characters",
    _HTTP_URL: "must be an http:// or https:// address",
    _CURRENCY: "must be an ISO 4217 currency code such as EUR",
    _BASE64: "must be base64 with padding",
}

Id = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Label = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=300, pattern=_NO_CONTROLS)]
Title = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=300, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=10_000, pattern=_NO_NUL)]
Url = Annotated[str, StringConstraints(strict=True, max_length=2_000, pattern=_HTTP_URL)]
Currency = Annotated[str, StringConstraints(strict=True, pattern=_CURRENCY)]
Ciphertext = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200_000, pattern=_BASE64)]

Integer = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
Position = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Amount = Annotated[int, Field(strict=True, gt=0, le=10**15)]
Cents = Annotated[int, Field(strict=True, ge=0, le=10**15)]  # a tier may be free
Seconds = Annotated[float, Field(strict=True, ge=0, le=10**9, allow_inf_nan=False)]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE | re.ASCII,
)
_MANY: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _uuid(value: object) -> UUID:
    if isinstance(value, UUID):
        return value
    # UUID() also takes braces, urn:uuid: and no hyphens at all: one form is enough for one id.
    if not (isinstance(value, str) and _UUID.fullmatch(value)):
        raise PydanticCustomError("uuid", "must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return UUID(value)


def _time(value: object) -> datetime:
    wrong = PydanticCustomError(
        "time", "must be an RFC 3339 time with its zone, from 1970 to 9999, such as 2026-01-31T12:00:00Z"
    )
    try:
        if isinstance(value, str) and _RFC3339.fullmatch(value):
            value = datetime.fromisoformat(value.upper())
        if isinstance(value, datetime) and value.tzinfo and (moment := value.astimezone(UTC)) >= _EPOCH:
            return moment
    except (ValueError, OverflowError):  # the 30th of February; a year beyond 9999 in UTC
        raise wrong from None
    raise wrong


def _not_too_many(value: object) -> object:
    # before the items are looked at: a million wrong ones would cost a second each time
    if isinstance(value, list | tuple) and len(value) > _MANY:
        raise PydanticCustomError("too_many", "must have at most {most} items", {"most": _MANY})
    return value


Uuid = Annotated[UUID, BeforeValidator(_uuid)]
Time = Annotated[datetime, BeforeValidator(_time)]

# strict=False only lets the list of JSON become a tuple; what is in it stays strict.
Users = Annotated[tuple[UserId, ...], Field(strict=False, max_length=_MANY), BeforeValidator(_not_too_many)]
Uuids = Annotated[tuple[Uuid, ...], Field(strict=False, max_length=_MANY), BeforeValidator(_not_too_many)]


def rfc3339(moment: datetime) -> str:
    """Write an instant in UTC, ending in Z."""
    return moment.isoformat().replace("+00:00", "Z")
