"""Owns every setting: environment or `.env`, prefix `HUB_`, nested by `__`, unknown keys refused."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal, Self

import pydantic_settings
from dotenv import dotenv_values
from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateways.config import Limits, check_networks
from ops.provider_settings import PREFIX, Fcm, Group, Resend, Smtp, Telegram, Twilio, TwilioFallback
from schemas.errors import ExplainedError

WAYS: Final = ("secret", "public_key", "jwks_url")
UNKNOWN: Final = "is not a setting of the hub; `hub config` lists them"
MASK: Final = "**********"
_WORDS: Final = {
    "extra_forbidden": UNKNOWN,
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
}


class SettingsError(ExplainedError):
    """A setting is wrong; the message names it and says what to do."""


def long_enough(secret: SecretStr | None) -> SecretStr | None:
    """Refuse a secret that could be guessed."""
    if secret and len(secret.get_secret_value().encode()) < 32:
        raise ValueError("must have at least 32 bytes; `openssl rand -hex 32` makes one")
    return secret


class Auth(Group):
    """Who may call: exactly one of a shared secret, a public key and a JWKS address."""

    secret: SecretStr | None = Field(
        None, description="shared secret of at least 32 bytes that signs tokens with HS256; one of three ways"
    )
    public_key: str | None = Field(
        None,
        description="public key in PEM that tokens are checked with (RSA, EC or Ed25519); one of three ways",
    )
    jwks_url: str | None = Field(
        None, description="address of the JSON Web Key Set with the public keys; one of three ways"
    )
    issuer: str | None = Field(
        None, description="what `iss` of a token must be; not set: it is not looked at"
    )
    audience: str | None = Field(
        None, description="what `aud` of a token must be or contain; not set: it is not looked at"
    )

    @field_validator("secret")
    @classmethod
    def _long(cls, secret: SecretStr | None) -> SecretStr | None:
        return long_enough(secret)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [f"{PREFIX}AUTH__{name.upper()}" for name in WAYS if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(" and ".join(given) + " exclude each other: set only one of them")
        return self


class Settings(BaseSettings):
    """The effective settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        Path(".hub"), description="folder of the embedded servers and the development secret of `hub up`"
    )
    database_url: SecretStr | None = Field(
        None, description="address of PostgreSQL, postgresql://user:password@host:port/database"
    )
    redis_url: SecretStr | None = Field(
        None,
        description="address of Redis or Valkey, redis://…; of a cluster one member or several (parted by"
        " commas, with one password)",
    )
    public_url: str | None = Field(
        None,
        description="under which address the hub is reached from outside: stands in the documents, and is"
        " where `hub publish` and `hub tail` call",
    )
    auth: Auth = Auth()
    limits: Limits = Limits()
    fcm: Fcm = Fcm()
    twilio: Twilio = Twilio()
    twilio_fallback: TwilioFallback = TwilioFallback()
    resend: Resend = Resend()
    smtp: Smtp = Smtp()
    telegram: Telegram = Telegram()
    link_secret: SecretStr | None = Field(
        None,
        description="signs the links in mails and makes the codes that prove addresses, at least 32 bytes;"
        " not set: made from HUB_AUTH__SECRET",
    )
    partitions: int | None = Field(
        None,
        ge=1,
        le=256,
        description="streams that events are spread over by subject, so how many workers a group can keep"
        " busy; fixed for good at the first start; not set: what the database was made with, or 8",
    )
    recovery_window: int = Field(
        120, ge=1, description="seconds that a client may be away and still miss nothing"
    )
    retention_days: int | None = Field(
        None,
        ge=31,
        description="days after which events are dropped, by whole months and only once every group has"
        " handled them; not set: nothing is ever dropped",
    )
    hourly_per_channel: int = Field(
        30,
        ge=1,
        le=10_000,
        description="messages that a person is sent within an hour on one channel at most; the inbox has all",
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="JSON list of the origins whose pages may call, beside the hub's own"
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description="JSON list of the networks of proxies whose X-Forwarded-For is believed"
    )
    database_pool: int = Field(
        16,
        ge=4,
        le=500,
        description="most connections to PostgreSQL in the pool of one process; each process takes one more"
        " or two beside it (`hub up` three)",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least important lines that are logged: debug, info, warning or error"
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="how a line of the log on stderr is written: json, or console for people"
    )

    @field_validator("link_secret")
    @classmethod
    def _long(cls, secret: SecretStr | None) -> SecretStr | None:
        return long_enough(secret)

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("public_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url and not re.fullmatch(r"https?://[^/?#@\s]+/?", url):
            raise ValueError("must be an address such as https://hub.example.com, without a path")
        return url

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
                raise ValueError(f"{origin!r} is not an origin such as https://example.com")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        check_networks(networks)
        return networks

    @model_validator(mode="after")
    def _whole_accounts(self) -> Self:
        for name, account in (("TWILIO", self.twilio), ("TWILIO_FALLBACK", self.twilio_fallback)):
            if missing := account.missing(name):
                raise ValueError(missing)
        if self.twilio_fallback.configured and not self.twilio.configured:
            raise ValueError(
                f"{PREFIX}TWILIO__ACCOUNT_SID is not set: {PREFIX}TWILIO_FALLBACK__… is the account that"
                " takes over from it"
            )
        if self.smtp.configured and not (self.smtp.sender or self.resend.sender):
            raise ValueError(
                f"{PREFIX}SMTP__FROM is not set: mails need a sender, such as Hub <hub@example.com>"
            )
        return self


def load(**overrides: object) -> Settings:
    """Read the settings; raises SettingsError naming the first wrong or unknown one."""
    _refuse_unknown({**dotenv_values(".env"), **os.environ})
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # the overrides are checked by pydantic
    except ValidationError as error:
        raise SettingsError(_in_words(error.errors()[0])) from None
    except pydantic_settings.SettingsError as error:
        found = re.search(r'field "(\w+)"', str(error))
        raise SettingsError(_not_json(found[1] if found else "")) from None


def _in_words(error: ErrorDetails) -> str:
    """One sentence that begins with the variable, as it is written in the environment."""
    said = error["msg"].removeprefix("Value error, ")
    if said.startswith(PREFIX):
        return said  # it is about several variables, and names them
    name = PREFIX + "__".join(part.upper() for part in error["loc"] if isinstance(part, str))
    words = _WORDS.get(error["type"]) or re.sub(r"^(Input|String|Value) should", "must", said)
    return f"{name} {words}" if words.startswith(("must", "is ")) else f"{name}: {words}"


def _not_json(field: str) -> str:
    name = PREFIX + field.upper()
    if field in Settings.model_fields and isinstance(Settings.model_fields[field].default, BaseModel):
        return f"{name} is a group of settings: set its members, {name}__…; `hub config` lists them"
    return f'{name} must be JSON; a list is written like ["one","two"]'


def _refuse_unknown(keys: Iterable[str]) -> None:
    """Refuse `HUB_` variables that nothing reads: a misspelt setting must not be silently ignored."""
    for key in keys:
        field = key.removeprefix(PREFIX).split("__")[0].lower()
        if key.startswith(PREFIX) and field not in Settings.model_fields:
            raise SettingsError(f"{key} {UNKNOWN}")


def shown(settings: Settings) -> dict[str, object]:
    """Answer the settings as `hub config` shows them: by variable name, secrets and passwords masked."""
    return {name: value for name, value, _ in explained(settings)}


def explained(settings: Settings) -> list[tuple[str, object, str]]:
    """Answer the name, the value and the meaning of every setting, secrets and passwords masked."""
    return list(_flat(PREFIX, settings))


def _flat(prefix: str, group: BaseModel) -> Iterator[tuple[str, object, str]]:
    for field, told in type(group).model_fields.items():
        name, value = prefix + (told.alias or field).upper(), getattr(group, field)
        if isinstance(value, BaseModel):
            yield from _flat(f"{name}__", value)
        else:
            yield name, _masked(value) if isinstance(value, SecretStr) else value, told.description or ""


def _masked(secret: SecretStr) -> str:
    """An address without its passwords; of any other secret nothing."""
    text = secret.get_secret_value()
    if "://" not in text:
        return MASK if text else ""
    return re.sub(r"(?i)(password=)[^&]*", rf"\1{MASK}", re.sub(r"(://[^:/@]*:).*@", rf"\1{MASK}@", text))
