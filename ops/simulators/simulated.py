"""Owns what is set where a provider is simulated: its address, and secrets made from the data directory's."""

import base64
import hashlib
from collections.abc import Mapping

from pydantic import SecretStr

from ops.provider_settings import Fcm, Resend, Telegram, Twilio, TwilioFallback
from ops.settings import Settings

SENDER = "Hub <hub@example.com>"


def wanted(settings: Settings, *, fallbacks: bool = False) -> tuple[str, ...]:
    """The providers to simulate: one for each channel that no account is set for.

    `fallbacks`: also a second account at Twilio, which takes over from the first, and Resend before a mail
    server. Not by itself: whoever makes the first misbehave would look there in vain for what the second
    took, and whoever sets a mail server wants mails to go there.
    """
    lacking = {
        "fcm": not settings.fcm.configured,
        "twilio": not settings.twilio.configured,
        "twilio_fallback": fallbacks and not settings.twilio.configured,
        "resend": not settings.resend.configured and (fallbacks or not settings.smtp.configured),
        "telegram": not settings.telegram.configured,
    }
    return tuple(name for name, lacks in lacking.items() if lacks)


def with_simulators(settings: Settings, urls: Mapping[str, str], auth_secret: str) -> Settings:
    """Point to the simulators that run, where no account is set."""
    made = Simulated(urls, auth_secret)
    update: dict[str, object] = {}
    if "fcm" in urls and not settings.fcm.configured:
        update["fcm"] = Fcm(base_url=urls["fcm"])
    if "twilio" in urls and not settings.twilio.configured:
        update["twilio"] = made.twilio("twilio")
        if "twilio_fallback" in urls:
            update["twilio_fallback"] = TwilioFallback(**made.twilio("twilio_fallback").model_dump())
    if "resend" in urls and not settings.resend.configured:
        update["resend"] = made.resend(settings.resend)
    if "telegram" in urls and not settings.telegram.configured:
        update["telegram"] = made.telegram(settings.telegram)
    if update and settings.link_secret is None and settings.auth.secret is None:
        update["link_secret"] = SecretStr(made.drawn("links"))
    return settings.model_copy(update=update) if update else settings


class Simulated:
    """Accounts that are the same in every process of a data directory."""

    def __init__(self, urls: Mapping[str, str], auth_secret: str) -> None:
        self._urls = urls
        self._secret = auth_secret

    def drawn(self, what: str) -> str:
        return hashlib.sha256(f"simulated {what} {self._secret}".encode()).hexdigest()

    def webhook_secret(self) -> str:
        """What the simulator of Resend signs with."""
        return f"whsec_{base64.b64encode(bytes.fromhex(self.drawn('resend'))).decode()}"

    def resend(self, given: Resend) -> Resend:
        return Resend(
            api_key=SecretStr("re_simulated"),
            webhook_secret=SecretStr(self.webhook_secret()),
            sender=given.sender or SENDER,
            base_url=self._urls.get("resend"),
        )

    def twilio(self, name: str) -> Twilio:
        drawn = self.drawn(name)
        return Twilio(
            account_sid=f"AC{drawn[:32]}",
            auth_token=SecretStr(drawn[32:]),
            messaging_service_sid=f"MG{drawn[16:48]}",
            base_url=self._urls.get(name),
        )

    def telegram(self, given: Telegram) -> Telegram:
        drawn = self.drawn("telegram")
        return Telegram(
            token=SecretStr(f"4242:{drawn[:35]}"),
            webhook_secret=SecretStr(drawn[32:]),
            admin_ids=given.admin_ids,
            base_url=self._urls.get("telegram"),
        )
