"""Owns how the senders of each kind are put together; importing it loads the libraries of providers."""

from email.utils import parseaddr
from typing import Final

from ops.provider_settings import Twilio
from ops.settings import Settings, SettingsError
from routing.channels.base import BatchChannel, Channel
from routing.channels.email import API, EmailChannel, ResendConfig
from routing.channels.push import FcmConfig, PushChannel
from routing.channels.sms import SmsChannel, TwilioConfig
from routing.channels.smtp import SmtpChannel, SmtpConfig
from routing.consent import Links
from routing.dispatcher import Sender
from routing.writers.mail import MailConfig, Mails
from routing.writers.push import PushWriter
from routing.writers.sms import SmsConfig, SmsWriter
from schemas.clock import Clock

STATUS_PATH: Final = "/webhooks/twilio"


def push(settings: Settings, clock: Clock, public_url: str) -> Sender:
    fcm = settings.fcm
    credentials = fcm.credentials.get_secret_value() if fcm.credentials else None
    try:
        channel = PushChannel(FcmConfig(credentials=credentials, base_url=fcm.base_url), clock)
    except ValueError as error:
        raise SettingsError(f"HUB_FCM__CREDENTIALS: {error}") from None
    return Sender(channels=(channel,), writer=PushWriter(public_url))


def sms(settings: Settings, clock: Clock, public_url: str) -> Sender:
    """The first account and, if there is one, the second, which takes over while the first fails."""
    accounts = {"twilio": settings.twilio, "twilio_fallback": settings.twilio_fallback}
    channels = tuple(
        SmsChannel(_account(name, account, public_url), clock)
        for name, account in accounts.items()
        if account.configured
    )
    writer = SmsWriter(SmsConfig(public_url=public_url, name=_name(settings)))
    return Sender(channels=channels, writer=writer)


def email(settings: Settings, clock: Clock, public_url: str, links: Links) -> Sender:
    """Resend and, if there is one, a mail server, which takes over while Resend fails."""
    channels: list[Channel | BatchChannel] = []
    if settings.resend.configured:
        channels.append(EmailChannel(_resend(settings), clock))
    if settings.smtp.configured:
        channels.append(SmtpChannel(smtp_config(settings), clock))
    mails = Mails(MailConfig(public_url=public_url, name=_name(settings)), links)
    return Sender(channels=tuple(channels), writer=mails)


def smtp_config(settings: Settings) -> SmtpConfig:
    smtp = settings.smtp
    sender = smtp.sender or settings.resend.sender
    if smtp.host is None or sender is None:
        raise SettingsError("HUB_SMTP__HOST and HUB_SMTP__FROM go together: set both")
    return SmtpConfig(
        host=smtp.host,
        port=smtp.port_used,
        sender=sender,
        username=smtp.username,
        password=smtp.password.get_secret_value() if smtp.password else None,
        tls=smtp.tls,
    )


def _resend(settings: Settings) -> ResendConfig:
    resend = settings.resend
    if resend.api_key is None or resend.sender is None:
        raise SettingsError("HUB_RESEND__API_KEY and HUB_RESEND__FROM go together: set both")
    return ResendConfig(
        api_key=resend.api_key.get_secret_value(), sender=resend.sender, base_url=resend.base_url or API
    )


def _account(name: str, account: Twilio, public_url: str) -> TwilioConfig:
    if account.account_sid is None or account.auth_token is None or account.messaging_service_sid is None:
        raise SettingsError(account.missing(name.upper()) or f"HUB_{name.upper()}__ACCOUNT_SID is not set")
    return TwilioConfig(
        account_sid=account.account_sid,
        auth_token=account.auth_token.get_secret_value(),
        messaging_service_sid=account.messaging_service_sid,
        status_url=f"{public_url.rstrip('/')}{STATUS_PATH}",
        base_url=account.base_url,
        provider=name,
    )


def _name(settings: Settings) -> str:
    """What the hub calls itself in messages: as mails are signed."""
    return parseaddr(settings.resend.sender or settings.smtp.sender or "")[0] or "hub"
