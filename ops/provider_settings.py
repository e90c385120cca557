"""Owns the settings of the providers: the accounts that push, SMS, mails and Telegram go out with."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from gateways.loopback import is_loopback_host, is_loopback_url

PREFIX: Final = "HUB_"
SMTP_PORTS: Final = {"starttls": 587, "tls": 465, "off": 25}
SENDER: Final = r"([^<>@\r\n]+ )?<[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+"
KEY_MEMBERS: Final = ("project_id", "client_email", "private_key")


class Group(BaseModel):
    """A nested group of settings; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _url(url: str | None, such_as: str) -> str | None:
    if url and not re.fullmatch(r"https?://[^?#@\s]+", url):
        raise ValueError(f"must be an address such as {such_as}")
    return url


def _sender(sender: str | None) -> str | None:
    if sender and not re.fullmatch(SENDER, sender):
        raise ValueError("must be a sender such as hub@example.com or Hub <hub@example.com>")
    return sender


class Fcm(Group):
    """Push through Firebase Cloud Messaging."""

    credentials: SecretStr | None = Field(
        None,
        description="key of a Firebase service account that push goes out with: the path of its JSON file, or"
        " the JSON itself; not set: no push, or the simulator",
    )
    base_url: str | None = Field(None, description="where FCM is called; not set: https://fcm.googleapis.com")

    @property
    def configured(self) -> bool:
        return self.credentials is not None or self.base_url is not None

    @property
    def key(self) -> dict[str, Any] | None:
        """The service account's key; raises ValueError if it cannot be read."""
        return _service_account(self.credentials.get_secret_value()) if self.credentials else None

    @field_validator("credentials")
    @classmethod
    def _readable(cls, credentials: SecretStr | None) -> SecretStr | None:
        """A path is looked at where push is sent: other processes need not have the file."""
        if credentials and credentials.get_secret_value().lstrip().startswith("{"):
            _service_account(credentials.get_secret_value())
        return credentials

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return _url(url, "https://fcm.googleapis.com")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.base_url and not self.credentials and not is_loopback_url(self.base_url):
            raise ValueError(
                f"{PREFIX}FCM__CREDENTIALS is not set: with {PREFIX}FCM__BASE_URL push needs the key of a"
                " service account, unless that is on this machine"
            )
        return self


def _service_account(given: str) -> dict[str, Any]:
    """Read a key from its JSON, or from the file that is named; what is wrong is said without the key."""
    text = given.strip()
    if not text.startswith("{"):
        try:
            text = Path(text).expanduser().read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ValueError(f"names a file that cannot be read: {why}") from None
    try:
        key = json.loads(text)
    except ValueError:
        raise ValueError(
            "must be the JSON key of a service account, or the path of its file; what is there is no JSON"
        ) from None
    if not isinstance(key, dict) or key.get("type") != "service_account":
        raise ValueError('must be the key of a service account: its JSON says "type": "service_account"')
    if missing := [name for name in KEY_MEMBERS if not isinstance(key.get(name), str)]:
        raise ValueError(f"must be the whole key of a service account: it lacks {', '.join(missing)}")
    return key


class Twilio(Group):
    """SMS through one account at Twilio."""

    account_sid: str | None = Field(
        None,
        description="AC…, the Twilio account that SMS go out with; not set: no SMS, or the simulator",
    )
    auth_token: SecretStr | None = Field(
        None,
        description="token of that account, which also signs what Twilio sends to /webhooks/twilio; needed"
        " with the account",
    )
    messaging_service_sid: str | None = Field(
        None, description="MG…, the messaging service whose numbers SMS come from; needed with the account"
    )
    base_url: str | None = Field(None, description="where Twilio is called; not set: https://api.twilio.com")

    @property
    def configured(self) -> bool:
        return self.account_sid is not None

    @field_validator("account_sid")
    @classmethod
    def _account(cls, sid: str | None) -> str | None:
        if sid and not re.fullmatch(r"AC[0-9A-Za-z]+", sid):
            raise ValueError("must be the SID of an account as Twilio shows it, AC…")
        return sid

    @field_validator("messaging_service_sid")
    @classmethod
    def _service(cls, sid: str | None) -> str | None:
        if sid and not re.fullmatch(r"MG[0-9A-Za-z]+", sid):
            raise ValueError("must be the SID of a messaging service as Twilio shows it, MG…")
        return sid

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return _url(url, "https://api.twilio.com")

    def missing(self, name: str) -> str | None:
        """Say which member of an account that is partly given is not set; `name` is the group's."""
        members = ("account_sid", "auth_token", "messaging_service_sid")
        absent = [member.upper() for member in members if not getattr(self, member)]
        if not absent or len(absent) == len(members):
            return None
        return (
            f"{PREFIX}{name}__{absent[0]} is not set: an account at Twilio is its ACCOUNT_SID, AUTH_TOKEN and"
            " MESSAGING_SERVICE_SID"
        )


class TwilioFallback(Twilio):
    """A second account, which SMS go out with while the first one fails."""

    account_sid: str | None = Field(
        None, description="AC…, a second account that takes over while HUB_TWILIO__… fails; not set: none"
    )


class Resend(Group):
    """Mails through Resend."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    api_key: SecretStr | None = Field(
        None, description="API key of Resend that mails are sent with; not set: no e-mail, or the simulator"
    )
    webhook_secret: SecretStr | None = Field(
        None, description="whsec_…, what Resend signs its webhooks to /webhooks/resend with"
    )
    sender: str | None = Field(
        None,
        alias="from",
        description="whom mails come from, such as Hub <hub@example.com>; needed with the key",
    )
    base_url: str | None = Field(None, description="where Resend is called; not set: https://api.resend.com")

    @property
    def configured(self) -> bool:
        return self.api_key is not None

    @field_validator("webhook_secret")
    @classmethod
    def _svix(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not re.fullmatch(r"whsec_[A-Za-z0-9+/]{16,}={0,2}", secret.get_secret_value()):
            raise ValueError("must be a signing secret as Resend shows it, whsec_…")
        return secret

    @field_validator("sender")
    @classmethod
    def _from(cls, sender: str | None) -> str | None:
        return _sender(sender)

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return _url(url, "https://api.resend.com")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.api_key and not self.sender:
            raise ValueError(
                f"{PREFIX}RESEND__FROM is not set: with {PREFIX}RESEND__API_KEY mails need a sender,"
                " such as Hub <hub@example.com>"
            )
        return self


class Smtp(Group):
    """Mails through an SMTP server: where Resend fails, or where there is no Resend."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    host: str | None = Field(
        None,
        description="mail server that takes over while Resend fails, and takes all mails where no Resend is"
        " set",
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="its port; not set: 587, with TLS from the start 465, without any 25",
    )
    username: str | None = Field(None, description="whom to sign in as; not set: nobody")
    password: SecretStr | None = Field(None, description="with which password; needed with the user name")
    sender: str | None = Field(
        None, alias="from", description="whom mails come from; not set: HUB_RESEND__FROM"
    )
    tls: Literal["starttls", "tls", "off"] = Field(
        "starttls",
        description="how the connection is protected: starttls, tls (from the start), or off, which no"
        " password goes over but on this machine",
    )

    @property
    def configured(self) -> bool:
        return self.host is not None

    @property
    def port_used(self) -> int:
        return self.port or SMTP_PORTS[self.tls]

    @field_validator("host")
    @classmethod
    def _host(cls, host: str | None) -> str | None:
        if host and not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
            raise ValueError("must be the name or address of a mail server, such as mail.example.com")
        return host

    @field_validator("sender")
    @classmethod
    def _from(cls, sender: str | None) -> str | None:
        return _sender(sender)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.host is None and (self.username or self.password or self.sender):
            raise ValueError(f"{PREFIX}SMTP__HOST is not set: name the mail server, or take the rest away")
        if (self.username is None) != (self.password is None):
            absent = "PASSWORD" if self.username else "USERNAME"
            raise ValueError(f"{PREFIX}SMTP__{absent} is not set: user name and password go together")
        if self.password and self.tls == "off" and not is_loopback_host(self.host or ""):
            raise ValueError(
                f"{PREFIX}SMTP__TLS is off, and would send {PREFIX}SMTP__PASSWORD in the open: set it to"
                " starttls or tls"
            )
        return self


class Telegram(Group):
    """Telegram through one bot."""

    token: SecretStr | None = Field(
        None,
        description="token of the bot as BotFather shows it; not set: no Telegram, or the simulator",
    )
    webhook_secret: SecretStr | None = Field(
        None,
        description="what Telegram shows at /webhooks/telegram, 1 to 256 letters, digits, _ and -; not set:"
        " `hub bot` asks Telegram for what is new",
    )
    admin_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (), description="JSON list of the numbers of the Telegram users who may command the bot"
    )
    base_url: str | None = Field(
        None, description="where Telegram is called; not set: https://api.telegram.org"
    )

    @property
    def configured(self) -> bool:
        return self.token is not None

    @property
    def number(self) -> str | None:
        """Of the bot; no secret."""
        return self.token.get_secret_value().partition(":")[0] if self.token else None

    @field_validator("token")
    @classmethod
    def _token(cls, token: SecretStr | None) -> SecretStr | None:
        if token and not re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]+", token.get_secret_value()):
            raise ValueError("must be the token of a bot as BotFather shows it, such as 123456:ABC…")
        return token

    @field_validator("webhook_secret")
    @classmethod
    def _secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret.get_secret_value()):
            raise ValueError("must be 1 to 256 letters, digits, _ and -; `openssl rand -hex 32` makes one")
        return secret

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _numbers(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        try:
            found = json.loads(given)
        except ValueError:
            found = None
        if not isinstance(found, list) or not all(type(one) is int for one in found):
            raise ValueError("must be a JSON list of numbers, such as [4242]")
        return found

    @field_validator("base_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        return _url(url, "https://api.telegram.org")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.webhook_secret and not self.token:
            raise ValueError(
                f"{PREFIX}TELEGRAM__TOKEN is not set: {PREFIX}TELEGRAM__WEBHOOK_SECRET goes with a bot"
            )
        return self
