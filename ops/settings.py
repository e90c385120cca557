"""Owns every setting: environment or `.env`, prefix `HUB_`, nested by `__`, unknown keys refused."""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pydantic_settings
from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateways.address import check_networks
from gateways.config import Limits
from schemas.errors import ExplainedError

PREFIX = "HUB_"


class SettingsError(ExplainedError):
    """A setting is wrong; the message names it and says what to do."""


class Group(BaseModel):
    """A nested group of settings; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Auth(Group):
    """Who may call: exactly one of a shared secret, a public key and a JWKS address."""

    secret: SecretStr | None = None
    public_key: str | None = None
    jwks_url: str | None = None
    issuer: str | None = None
    audience: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = [name for name in ("secret", "public_key", "jwks_url") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError("set only one of SECRET, PUBLIC_KEY and JWKS_URL, not " + " and ".join(given))
        if self.secret and len(self.secret.get_secret_value().encode()) < 32:
            raise ValueError("SECRET must have at least 32 bytes; `openssl rand -hex 32` makes one")
        return self


class Settings(BaseSettings):
    """The effective settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Path(".hub")
    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    public_url: str | None = None
    auth: Auth = Auth()
    limits: Limits = Limits()
    partitions: int | None = Field(
        None,
        ge=1,
        le=256,
        description="streams of events, fixed at the first start; not set: what it is, or 8",
    )
    recovery_window: int = Field(120, ge=1, description="seconds a gone client may come back in")
    retention_days: int | None = Field(None, ge=31, description="age at which the log is dropped")
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = Field((), description="networks whose X-Forwarded-For counts")
    database_pool: int = Field(16, ge=4, le=500)
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    log_format: str = Field("json", pattern="^(json|console)$")

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
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


def load(**overrides: object) -> Settings:
    """Read the settings; raises SettingsError naming the first wrong or unknown one."""
    _refuse_unknown({**dotenv_values(".env"), **os.environ})
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # the overrides are checked by pydantic
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "__".join(str(part).upper() for part in first["loc"])
        raise SettingsError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
    except pydantic_settings.SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        name = PREFIX + (field[1].upper() if field else "…")
        raise SettingsError(f'{name} must be JSON; a list is written like ["one","two"]') from None


def _refuse_unknown(keys: Iterable[str]) -> None:
    """Refuse `HUB_` variables that nothing reads: a misspelt setting must not be silently ignored."""
    for key in keys:
        field = key.removeprefix(PREFIX).split("__")[0].lower()
        if key.startswith(PREFIX) and field not in Settings.model_fields:
            raise SettingsError(f"{key} is not a setting of the hub; `hub config` lists them")


def shown(settings: Settings) -> dict[str, object]:
    """Answer the settings as `hub config` shows them: by variable name, secrets and passwords masked."""
    values = settings.model_dump()
    for name in ("database_url", "redis_url"):
        secret = getattr(settings, name)
        values[name] = (
            re.sub(r"(://[^:/@]*:)[^@]*@", r"\1**********@", secret.get_secret_value()) if secret else None
        )
    return values
