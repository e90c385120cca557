"""Owns what a person's profile may hold: names, zone, locale, addresses, roles."""

import re
from functools import cache
from typing import Annotated, Final
from unicodedata import category
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

# RFC 5646: language[-script][-region][-variant…][-extension…][-private use]; grandfathered tags left out.
LOCALE = (
    r"^[A-Za-z]{2,8}(-[A-Za-z]{3}){0,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?"
    r"(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*(-[A-WY-Za-wy-z0-9](-[A-Za-z0-9]{2,8})+)*"
    r"(-[Xx](-[A-Za-z0-9]{1,8})+)?$"
)
EMAIL = (
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$"
)
PHONE = r"^\+[1-9][0-9]{6,14}$"
ROLE = r"^[A-Za-z0-9._:-]{1,64}$"  # spelled unlike the pattern of user ids: each has its own words

MAX_ROLES: Final = 32
MAX_HANDLE: Final = 64

PROFILE_WORDS: Final = {
    LOCALE: "must be a BCP 47 language tag such as en or de-AT",
    EMAIL: "must be an e-mail address",
    PHONE: "must be a phone number in E.164 form such as +4915112345678",
    ROLE: "must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
}

# Files beside those of the zones: the one is this machine's own zone, the other says that none was chosen.
_NO_ZONES: Final = {"localtime", "Factory"}
_HANDLE_SIGNS: Final = "_.-"
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_ZONES)


def is_zone(name: str) -> bool:
    """Whether the IANA database has a zone of this name."""
    return name in _zones()


def _known_zone(name: str) -> str:
    if not is_zone(name):
        raise ValueError("is not a time zone of the IANA database, such as Europe/Berlin")
    return name


def _one_line(text: str) -> str:
    if _UNSHOWABLE.search(text):
        raise ValueError("must be one line of text without control characters")
    return text


def _mentionable(handle: str) -> str:
    name = handle.removeprefix("@")
    if not 1 <= len(name) <= MAX_HANDLE or any(
        one not in _HANDLE_SIGNS and category(one)[0] not in "LMN" for one in name
    ):
        raise ValueError("must be 1 to 64 letters, digits or _ . - such as ann")
    return name


def _not_too_many(roles: object) -> object:
    # before they are looked at: half a million wrong ones would cost seconds
    if isinstance(roles, list | tuple) and len(roles) > MAX_ROLES:
        raise PydanticCustomError("too_many", "must have at most {most} items", {"most": MAX_ROLES})
    return roles


def _each_once(roles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(roles))


Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_one_line)
]
# one more than a handle may have: the @ that some write before it
Handle = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_HANDLE + 1),
    AfterValidator(_mentionable),
]
Zone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_known_zone)]
Locale = Annotated[str, StringConstraints(pattern=LOCALE, max_length=85)]
# In small letters: who writes Ann@ is whoever unsubscribed as ann@.
Email = Annotated[str, StringConstraints(pattern=EMAIL, max_length=254), AfterValidator(str.lower)]
Phone = Annotated[str, StringConstraints(pattern=PHONE)]
Role = Annotated[str, StringConstraints(pattern=ROLE)]


class Personal(BaseModel):
    """What a person may set about themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    handle: Handle | None = Field(
        None,
        description="how others mention the person: letters, digits and _ . - (an @ before it is left out)",
        examples=["ann"],
    )
    name: Line | None = Field(None, description="the name to show", examples=["Ann Example"])
    tz: Zone | None = Field(None, description="IANA time zone", examples=["Europe/Berlin"])
    locale: Locale | None = Field(None, description="BCP 47 language tag", examples=["en-GB"])


class Profile(Personal):
    """What the platform may set about a person; e-mail and phone given this way count as verified."""

    email: Email | None = Field(None, description="e-mail address", examples=["ann@example.com"])
    phone: Phone | None = Field(None, description="phone number, E.164", examples=["+4915112345678"])
    roles: Annotated[tuple[Role, ...], BeforeValidator(_not_too_many), AfterValidator(_each_once)] = Field(
        (), max_length=MAX_ROLES, description="roles on the platform", examples=[["creator"]]
    )
