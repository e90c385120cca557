"""Owns the check-up of the providers: whether each takes our account, found out without sending anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any, Final

import aiohttp

from gateways.loopback import is_loopback_url
from ops.finding import Finding
from ops.provider_settings import Twilio
from ops.sending import MISSING, channels
from ops.settings import Settings
from schemas.clock import SystemClock
from schemas.db import Row, Session

CALL_S: Final = 5.0
GOOGLE: Final = "https://oauth2.googleapis.com/token"
TWILIO: Final = "https://api.twilio.com"
RESEND: Final = "https://api.resend.com"
TELEGRAM: Final = "https://api.telegram.org"
SHUT: Final = """
SELECT provider, opened_at, paused_until, reason FROM provider_state
WHERE opened_at IS NOT NULL OR paused_until > now() ORDER BY provider
"""


async def examine_providers(settings: Settings) -> list[Finding]:
    """Look at all that are set; what is not set is no fault."""
    looks: dict[str, tuple[bool, Callable[[Settings], Awaitable[Finding]]]] = {
        "push": (settings.fcm.configured, _fcm),
        "sms": (settings.twilio.configured, _twilio),
        "second account for sms": (settings.twilio_fallback.configured, _twilio_fallback),
        "e-mail": (settings.resend.configured, _resend),
        "mail server": (settings.smtp.configured, _smtp),
        "telegram": (settings.telegram.configured, _telegram),
    }
    found = await asyncio.gather(*(look(settings) for configured, look in looks.values() if configured))
    return [*found, *_absent(settings), *_public(settings)]


async def left_alone(connection: Session) -> Finding:
    """Which providers nothing is sent through at this moment."""
    rows = await connection.fetch(SHUT)
    says = "; ".join(f"{row['provider']} ({_why(row)})" for row in rows)
    return Finding("providers", not rows, f"left alone: {says}" if rows else "none is left alone")


def _why(row: Row) -> str:
    if row["paused_until"]:
        return f"{row['reason']}; until {row['paused_until'].astimezone(UTC):%H:%M:%S} UTC"
    return f"it failed repeatedly: {row['reason']}"


def _absent(settings: Settings) -> list[Finding]:
    there = channels(settings)
    lacks = [
        f"{lack.removeprefix('there is ')} ({do})"
        for kind, (lack, do) in MISSING.items()
        if kind not in there
    ]
    return [Finding("channels", True, "; ".join(lacks))] if lacks else []


def _public(settings: Settings) -> list[Finding]:
    if settings.public_url or not channels(settings):
        return []
    return [
        Finding("address", False, "what is sent has links: set HUB_PUBLIC_URL to where people reach the hub")
    ]


async def _fcm(settings: Settings) -> Finding:
    fcm = settings.fcm
    if fcm.credentials is None:
        return await _simulated("push", fcm.base_url or "")
    try:
        key = fcm.key or {}
    except ValueError as error:
        return Finding("push", False, f"HUB_FCM__CREDENTIALS {error}")
    return await asyncio.to_thread(_token, key)


def _token(key: Mapping[str, Any]) -> Finding:
    """Fetch one: that shows that Google knows the account and its key."""
    from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415  for those who ask only
    from google.auth.transport.requests import Request  # noqa: PLC0415
    from google.oauth2.service_account import Credentials  # noqa: PLC0415

    scope = "https://www.googleapis.com/auth/firebase.messaging"
    try:
        known: Any = Credentials  # half of it has types
        account = known.from_service_account_info({"token_uri": GOOGLE, **key}, scopes=[scope])
        request: Any = Request()
        account.refresh(lambda **asked: request(**{**asked, "timeout": CALL_S}))
    except (GoogleAuthError, ValueError) as error:
        return Finding("push", False, f"no token for {key['project_id']}: {str(error.args[0])[:200]}")
    return Finding("push", True, f"Google takes the key of {key['project_id']}")


async def _twilio(settings: Settings) -> Finding:
    return await _account("sms", "HUB_TWILIO", settings.twilio)


async def _twilio_fallback(settings: Settings) -> Finding:
    return await _account("second account for sms", "HUB_TWILIO_FALLBACK", settings.twilio_fallback)


async def _account(what: str, names: str, account: Twilio) -> Finding:
    if _is_here(account.base_url):
        return await _simulated(what, account.base_url)
    sid, token = account.account_sid or "", account.auth_token
    asked = f"{account.base_url or TWILIO}/2010-04-01/Accounts/{sid}.json"
    shown = {"Authorization": aiohttp.encode_basic_auth(sid, token.get_secret_value() if token else "")}
    return await _asked(what, asked, shown, f"{names}__ACCOUNT_SID and {names}__AUTH_TOKEN")


async def _resend(settings: Settings) -> Finding:
    resend = settings.resend
    if _is_here(resend.base_url):
        return await _simulated("e-mail", resend.base_url)
    key = resend.api_key.get_secret_value() if resend.api_key else ""
    found = await _asked(
        "e-mail",
        f"{resend.base_url or RESEND}/domains",
        {"Authorization": f"Bearer {key}"},
        "HUB_RESEND__API_KEY",
        enough="restricted_api_key",  # it may send, and nothing else
    )
    if found.well and resend.webhook_secret is None:
        return Finding("e-mail", False, "bounces are not heard of: set HUB_RESEND__WEBHOOK_SECRET")
    return found


async def _smtp(settings: Settings) -> Finding:
    from ops.senders import smtp_config  # noqa: PLC0415  for those who have one only
    from routing.channels.smtp import SmtpChannel  # noqa: PLC0415
    from routing.errors import DeliveryError  # noqa: PLC0415

    config = replace(smtp_config(settings), connect_s=CALL_S, call_s=CALL_S)
    channel = SmtpChannel(config, SystemClock())
    try:
        await channel.open()
    except DeliveryError as error:
        return Finding("mail server", False, f"{config.host}:{config.port}: {error}; look at HUB_SMTP__…")
    finally:
        await channel.close()
    return Finding("mail server", True, f"{config.host}:{config.port} takes the sign-in")


async def _telegram(settings: Settings) -> Finding:
    telegram = settings.telegram
    if _is_here(telegram.base_url):
        return await _simulated("telegram", telegram.base_url)
    token = telegram.token.get_secret_value() if telegram.token else ""
    return await _asked(
        "telegram", f"{telegram.base_url or TELEGRAM}/bot{token}/getMe", {}, "HUB_TELEGRAM__TOKEN"
    )


def _is_here(url: str | None) -> bool:
    return url is not None and is_loopback_url(url)


async def _simulated(what: str, url: str | None) -> Finding:
    status, _ = await _call(f"{url}/_sim/messages?address=-", {})
    well = status == 200
    return Finding(what, well, "simulated" if well else "its simulator does not answer: restart `hub up`")


async def _asked(what: str, url: str, shown: Mapping[str, str], names: str, *, enough: str = "") -> Finding:
    """Ask for what only the account may see."""
    status, text = await _call(url, shown)
    if status == 200 or (enough and enough in text):
        return Finding(what, True, "the account is taken")
    if status == 0:
        return Finding(
            what, False, f"the provider cannot be reached ({text}): does this machine reach the net?"
        )
    if status in {400, 401, 403, 404}:
        return Finding(what, False, f"the provider refuses the account ({status}): is {names} right?")
    return Finding(what, False, f"the provider answers {status}: try again in a moment")


async def _call(url: str, shown: Mapping[str, str]) -> tuple[int, str]:
    """Status and text of the answer, or 0 and why there was none; the address may hold a token."""
    timeout = aiohttp.ClientTimeout(total=CALL_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=shown, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text(errors="replace")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return 0, type(error).__name__
