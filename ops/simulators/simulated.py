"""Owns what is set where a provider is simulated: its address, and secrets made from the data directory's."""

import base64
import hashlib
from collections.abc import Mapping

from pydantic import SecretStr

from ops.settings import Resend, Settings


def webhook_secret(auth_secret: str) -> str:
    """The same in every process of a data directory."""
    digest = hashlib.sha256(f"simulated resend {auth_secret}".encode()).digest()
    return f"whsec_{base64.b64encode(digest).decode()}"


def with_simulators(settings: Settings, urls: Mapping[str, str], auth_secret: str) -> Settings:
    """Point to the simulators that run, where no account is set."""
    if "resend" not in urls or settings.resend.api_key:
        return settings
    found = Resend(
        api_key=SecretStr("re_simulated"),
        webhook_secret=SecretStr(webhook_secret(auth_secret)),
        sender=settings.resend.sender or "Hub <hub@example.com>",
        base_url=urls["resend"],
    )
    update: dict[str, object] = {"resend": found}
    if settings.link_secret is None and settings.auth.secret is None:
        update["link_secret"] = SecretStr(
            hashlib.sha256(f"simulated links {auth_secret}".encode()).hexdigest()
        )
    return settings.model_copy(update=update)
