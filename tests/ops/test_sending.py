"""What a deployment must be told before its mails may go out."""

import pytest
from pydantic import SecretStr

from ops.provider_settings import Fcm, Resend, Smtp, Telegram, Twilio, TwilioFallback
from ops.sending import channels, links, senders, webhook_secrets
from ops.settings import Auth, Settings, SettingsError
from ops.wiring import base, doors
from routing.consent import InvalidLinkError, Scope
from schemas.clock import SystemClock

SCOPE = Scope("email", "ann@example.com")
RESEND = Resend(api_key=SecretStr("re_test"), sender="Hub <hub@example.com>")


def test_every_process_reads_the_links_of_the_others() -> None:
    for settings in (
        Settings(link_secret=SecretStr("l" * 32)),
        Settings(auth=Auth(secret=SecretStr("a" * 32))),
    ):
        assert links(settings).read(links(settings).token(SCOPE)) == SCOPE
    with pytest.raises(InvalidLinkError):
        links(Settings()).read(links(Settings()).token(SCOPE))


TWILIO = Twilio(account_sid="AC1", auth_token=SecretStr("word"), messaging_service_sid="MG1")
SECOND = TwilioFallback(account_sid="AC2", auth_token=SecretStr("word2"), messaging_service_sid="MG2")
EVERY = Settings(
    public_url="https://hub.example.com",
    link_secret=SecretStr("l" * 32),
    fcm=Fcm(base_url="http://127.0.0.1:9"),
    twilio=TWILIO,
    twilio_fallback=SECOND,
    resend=RESEND,
    smtp=Smtp(host="127.0.0.1"),
    telegram=Telegram(token=SecretStr("42:word"), webhook_secret=SecretStr("hook")),
)


async def test_workers_send_on_all_but_telegram_each_with_its_second_provider() -> None:
    made = senders(EVERY, SystemClock(), None)
    found = [[channel.provider for channel in one.channels] for one in made]
    assert found == [["fcm"], ["twilio", "twilio_fallback"], ["resend", "smtp"]]
    for one in made:
        for channel in one.channels:
            await channel.close()


async def test_the_bot_sends_on_telegram() -> None:
    (made,) = senders(EVERY, SystemClock(), None, ("telegram",))
    assert [channel.provider for channel in made.channels] == ["telegram"]
    for channel in made.channels:
        await channel.close()


def test_nothing_that_has_links_is_sent_by_a_hub_that_does_not_know_where_it_is() -> None:
    settings = EVERY.model_copy(update={"public_url": None})
    with pytest.raises(SettingsError, match=r"^HUB_PUBLIC_URL is not set"):
        senders(settings, SystemClock(), None)
    assert senders(Settings(), SystemClock(), None) == []


def test_a_broken_key_of_firebase_is_named_as_it_is_set() -> None:
    settings = EVERY.model_copy(update={"fcm": Fcm(credentials=SecretStr("/nowhere/key.json"))})
    with pytest.raises(SettingsError, match=r"^HUB_FCM__CREDENTIALS: "):
        senders(settings, SystemClock(), None, ("push",))


def test_webhooks_are_checked_with_what_each_account_signs() -> None:
    assert webhook_secrets(EVERY) == {"twilio": "word", "twilio_fallback": "word2", "telegram": "hook"}
    assert channels(EVERY) == ("push", "sms", "email", "telegram")
    assert channels(Settings()) == ()


async def test_doors_that_could_not_read_the_links_in_mails_refuse_to_start(
    database: str, redis_url: str
) -> None:
    settings = Settings(
        database_url=SecretStr(database),
        redis_url=SecretStr(redis_url),
        auth=Auth(jwks_url="https://example.com/jwks"),
        resend=RESEND,
    )
    async with base(settings) as parts:
        with pytest.raises(SettingsError, match="HUB_LINK_SECRET"):
            async with doors(parts):
                pytest.fail("they opened")
