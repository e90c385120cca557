"""Owns which channels a deployment has, and how the parts that send on them are put together."""

import secrets
from collections.abc import Mapping
from email.utils import parseaddr

import structlog

from ops.settings import Settings, SettingsError
from routing.channels.email import API, EmailChannel, ResendConfig
from routing.consent import Links
from routing.dispatcher import Dispatcher, Sender
from routing.mail import MailConfig, Mails
from routing.members import ChannelKind
from routing.retelling import Recipients, Retelling
from schemas.clock import Clock
from schemas.db import Pool
from schemas.listen import Listener

log = structlog.get_logger(__name__)


def channels(settings: Settings) -> tuple[ChannelKind, ...]:
    """The channels that exist, beside in-app; says once which one is missing, and why."""
    if settings.resend.api_key is None:
        log.info("there is no e-mail", do="set HUB_RESEND__API_KEY and HUB_RESEND__FROM")
        return ()
    return ("email",)


def links(settings: Settings) -> Links:
    """What signs unsubscribe links: the same in every process, or nothing that outlives this one.

    Raises SettingsError where mails go out with links that no other process could read.
    """
    secret = settings.link_secret or settings.auth.secret
    if secret is None and settings.resend.api_key is not None:
        raise SettingsError("HUB_LINK_SECRET is not set: mails need it, to sign their unsubscribe links")
    return Links(secret.get_secret_value() if secret else secrets.token_hex())


def webhook_secrets(settings: Settings) -> Mapping[str, str]:
    """Of each provider that is configured, what it signs with."""
    resend = settings.resend.webhook_secret
    return {"resend": resend.get_secret_value()} if resend else {}


def dispatcher(
    settings: Settings,
    *,
    worker: str,
    pool: Pool,
    listener: Listener,
    people: Recipients,
    clock: Clock,
    url: str | None = None,
) -> Dispatcher:
    """Make the dispatcher; `url` is where the hub is reached if no setting says so. Raises SettingsError."""
    return Dispatcher(
        senders(settings, clock, url),
        worker=worker,
        pool=pool,
        listener=listener,
        tellings=Retelling(people),
        clock=clock,
    )


def senders(settings: Settings, clock: Clock, url: str | None) -> list[Sender]:
    return [_email(settings, clock, settings.public_url or url)] if settings.resend.api_key else []


def _email(settings: Settings, clock: Clock, public_url: str | None) -> Sender:
    resend = settings.resend
    if resend.api_key is None or resend.sender is None:
        raise SettingsError("HUB_RESEND__API_KEY and HUB_RESEND__FROM go together: set both")
    if public_url is None:
        raise SettingsError("HUB_PUBLIC_URL is not set: mails need it, for the links in them")
    config = ResendConfig(
        api_key=resend.api_key.get_secret_value(), sender=resend.sender, base_url=resend.base_url or API
    )
    name = parseaddr(resend.sender)[0] or "hub"
    mails = Mails(MailConfig(public_url=public_url, name=name), links(settings))
    return Sender(channel=EmailChannel(config, clock), render=mails.render)
