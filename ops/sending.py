"""Owns which channels a deployment has, and what the parts that send on them are given."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from ops.settings import Settings, SettingsError
from routing.codes import Codes
from routing.consent import Links
from routing.digest_contents import DigestContents
from routing.dispatcher import Dispatcher, Sender
from routing.members import ChannelKind
from routing.retelling import Recipients, Retelling
from schemas.clock import Clock
from schemas.db import Pool
from schemas.listen import Listener

log = structlog.get_logger(__name__)

BY_WORKERS: Final[tuple[ChannelKind, ...]] = ("push", "sms", "email")
"""What `hub work` sends on; `hub bot` has Telegram."""
SIGNED: Final[frozenset[ChannelKind]] = frozenset({"sms", "email"})
"""Which say something that the hub must know again: codes, and links of mails."""
MISSING: Final[Mapping[ChannelKind, tuple[str, str]]] = {
    "push": ("there is no push", "set HUB_FCM__CREDENTIALS"),
    "sms": (
        "there is no SMS",
        "set HUB_TWILIO__ACCOUNT_SID, HUB_TWILIO__AUTH_TOKEN and HUB_TWILIO__MESSAGING_SERVICE_SID",
    ),
    "email": ("there is no e-mail", "set HUB_RESEND__API_KEY and HUB_RESEND__FROM, or HUB_SMTP__HOST"),
    "telegram": ("there is no Telegram", "set HUB_TELEGRAM__TOKEN, and run `hub bot`"),
}


def channels(settings: Settings) -> tuple[ChannelKind, ...]:
    """The channels that exist, beside in-app."""
    there: dict[ChannelKind, bool] = {
        "push": settings.fcm.configured,
        "sms": settings.twilio.configured,
        "email": settings.resend.configured or settings.smtp.configured,
        "telegram": settings.telegram.configured,
    }
    return tuple(kind for kind, configured in there.items() if configured)


def tell_missing(settings: Settings) -> None:
    """Say once which channels there are not, and why."""
    for kind, (lack, do) in MISSING.items():
        if kind not in channels(settings):
            log.info(lack, do=do)


def links(settings: Settings) -> Links:
    """What signs links and makes codes: the same in every process, or nothing that outlives this one.

    Raises SettingsError where messages go out with what no other process could read.
    """
    secret = settings.link_secret or settings.auth.secret
    if secret is None and SIGNED & set(channels(settings)):
        raise SettingsError(
            "HUB_LINK_SECRET is not set: it signs the links in mails and makes the codes that prove addresses"
        )
    return Links(secret.get_secret_value() if secret else secrets.token_hex())


def webhook_secrets(settings: Settings) -> Mapping[str, str]:
    """Of each account that is configured, what its webhooks are signed with."""
    found = {
        "resend": settings.resend.webhook_secret,
        "twilio": settings.twilio.auth_token,
        "twilio_fallback": settings.twilio_fallback.auth_token,
        "telegram": settings.telegram.webhook_secret,
    }
    return {name: secret.get_secret_value() for name, secret in found.items() if secret}


def webhook_accounts(settings: Settings) -> Mapping[str, str]:
    """Of each account that is configured, the name that the provider has for it."""
    found = {
        "twilio": settings.twilio.account_sid,
        "twilio_fallback": settings.twilio_fallback.account_sid,
    }
    return {name: sid for name, sid in found.items() if sid}


def dispatcher(
    settings: Settings,
    senders: Sequence[Sender],
    *,
    worker: str,
    pool: Pool,
    listener: Listener,
    people: Recipients,
    clock: Clock,
    url: str | None = None,
) -> Dispatcher:
    """Make the dispatcher; `url` is where the hub is reached if no setting says so. Raises SettingsError."""
    public_url = settings.public_url or url
    return Dispatcher(
        senders,
        worker=worker,
        pool=pool,
        listener=listener,
        tellings=Retelling(
            people,
            digests=DigestContents(people, clock),
            codes=Codes(links(settings), public_url, clock) if public_url else None,
        ),
        clock=clock,
    )


def senders(
    settings: Settings, clock: Clock, url: str | None, kinds: Sequence[ChannelKind] = BY_WORKERS
) -> list[Sender]:
    """Make those of the kinds that are configured. Raises SettingsError."""
    wanted = [kind for kind in channels(settings) if kind in kinds]
    public_url = settings.public_url or url
    if wanted and public_url is None:
        raise SettingsError("HUB_PUBLIC_URL is not set: what is sent needs it, for the links in it")
    return [_sender(kind, settings, clock, public_url or "") for kind in wanted]


def _sender(kind: ChannelKind, settings: Settings, clock: Clock, public_url: str) -> Sender:
    if kind == "telegram":
        from ops.telegram_sender import telegram  # noqa: PLC0415  seconds and 150 MB, for `hub bot` alone

        return telegram(settings, clock, public_url)
    from ops import senders as makers  # noqa: PLC0415  the libraries are for those who send

    if kind == "email":
        return makers.email(settings, clock, public_url, links(settings))
    return (makers.push if kind == "push" else makers.sms)(settings, clock, public_url)
