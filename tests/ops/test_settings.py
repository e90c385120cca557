"""Settings: what is refused, in which words, and what is shown."""

import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from ops.provider_settings import Fcm
from ops.settings import Auth, Settings, SettingsError, explained, load, shown

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without any setting."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:  # noqa: TID251  to take them away
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HUB_DATABSE_URL", "x", "HUB_DATABSE_URL is not a setting of the hub; `hub config` lists them"),
        ("HUB_LIMITS__BACH", "1", "HUB_LIMITS__BACH is not a setting of the hub; `hub config` lists them"),
        ("HUB_LIMITS__BATCH", "-1", "HUB_LIMITS__BATCH must be greater than 0"),
        ("HUB_LIMITS__BATCH", "many", "HUB_LIMITS__BATCH must be a whole number"),
        ("HUB_LIMITS", "1", "HUB_LIMITS must be a valid dictionary or instance of Limits"),
        (
            "HUB_LIMITS",
            "x",
            "HUB_LIMITS is a group of settings: set its members, HUB_LIMITS__…; `hub config` lists them",
        ),
        (
            "HUB_AUTH__SECRET",
            "short",
            "HUB_AUTH__SECRET must have at least 32 bytes; `openssl rand -hex 32` makes one",
        ),
        (
            "HUB_ALLOWED_ORIGINS",
            "http://x",
            'HUB_ALLOWED_ORIGINS must be JSON; a list is written like ["one","two"]',
        ),
        (
            "HUB_ALLOWED_ORIGINS",
            '["x"]',
            "HUB_ALLOWED_ORIGINS: 'x' is not an origin such as https://example.com",
        ),
        (
            "HUB_TRUSTED_PROXIES",
            '["x"]',
            "HUB_TRUSTED_PROXIES: 'x' is not a network of proxies such as 10.0.0.0/8",
        ),
        ("HUB_REDIS_URL", "127.0.0.1", "HUB_REDIS_URL must begin with redis://, rediss:// or unix://"),
        (
            "HUB_PUBLIC_URL",
            "x",
            "HUB_PUBLIC_URL must be an address such as https://hub.example.com, without a path",
        ),
        ("HUB_LOG_LEVEL", "loud", "HUB_LOG_LEVEL must be 'debug', 'info', 'warning' or 'error'"),
        (
            "HUB_RESEND__API_KEY",
            "re_1",
            "HUB_RESEND__FROM is not set: with HUB_RESEND__API_KEY mails need a sender,"
            " such as Hub <hub@example.com>",
        ),
        (
            "HUB_RESEND__FROM",
            "Hub",
            "HUB_RESEND__FROM must be a sender such as hub@example.com or Hub <hub@example.com>",
        ),
        (
            "HUB_RESEND__WEBHOOK_SECRET",
            "secret",
            "HUB_RESEND__WEBHOOK_SECRET must be a signing secret as Resend shows it, whsec_…",
        ),
        (
            "HUB_RESEND__BASE_URL",
            "resend",
            "HUB_RESEND__BASE_URL must be an address such as https://api.resend.com",
        ),
        (
            "HUB_FCM__CREDENTIALS",
            '{"type":"authorized_user"}',
            'HUB_FCM__CREDENTIALS must be the key of a service account: its JSON says "type": '
            '"service_account"',
        ),
        (
            "HUB_FCM__CREDENTIALS",
            '{"type":"service_account","project_id":"hub"}',
            "HUB_FCM__CREDENTIALS must be the whole key of a service account: it lacks client_email,"
            " private_key",
        ),
        (
            "HUB_FCM__BASE_URL",
            "https://fcm.example.com",
            "HUB_FCM__CREDENTIALS is not set: with HUB_FCM__BASE_URL push needs the key of a service account,"
            " unless that is on this machine",
        ),
        (
            "HUB_TWILIO__ACCOUNT_SID",
            "SK1",
            "HUB_TWILIO__ACCOUNT_SID must be the SID of an account as Twilio shows it, AC…",
        ),
        (
            "HUB_TWILIO__ACCOUNT_SID",
            "AC1",
            "HUB_TWILIO__AUTH_TOKEN is not set: an account at Twilio is its ACCOUNT_SID, AUTH_TOKEN and"
            " MESSAGING_SERVICE_SID",
        ),
        (
            "HUB_TWILIO_FALLBACK__MESSAGING_SERVICE_SID",
            "MG1",
            "HUB_TWILIO_FALLBACK__ACCOUNT_SID is not set: an account at Twilio is its ACCOUNT_SID, AUTH_TOKEN"
            " and MESSAGING_SERVICE_SID",
        ),
        (
            "HUB_SMTP__HOST",
            "mail.example.com",
            "HUB_SMTP__FROM is not set: mails need a sender, such as Hub <hub@example.com>",
        ),
        (
            "HUB_SMTP__FROM",
            "hub@example.com",
            "HUB_SMTP__HOST is not set: name the mail server, or take the rest away",
        ),
        ("HUB_SMTP__TLS", "yes", "HUB_SMTP__TLS must be 'starttls', 'tls' or 'off'"),
        (
            "HUB_TELEGRAM__TOKEN",
            "secret",
            "HUB_TELEGRAM__TOKEN must be the token of a bot as BotFather shows it, such as 123456:ABC…",
        ),
        (
            "HUB_TELEGRAM__WEBHOOK_SECRET",
            "secret",
            "HUB_TELEGRAM__TOKEN is not set: HUB_TELEGRAM__WEBHOOK_SECRET goes with a bot",
        ),
        (
            "HUB_TELEGRAM__ADMIN_IDS",
            "4242",
            "HUB_TELEGRAM__ADMIN_IDS must be a JSON list of numbers, such as [4242]",
        ),
        (
            "HUB_TELEGRAM__ADMIN_IDS",
            "ann",
            "HUB_TELEGRAM__ADMIN_IDS must be a JSON list of numbers, such as [4242]",
        ),
        ("HUB_RESEND__KEY", "x", "HUB_RESEND__KEY is not a setting of the hub; `hub config` lists them"),
        (
            "HUB_LINK_SECRET",
            "short",
            "HUB_LINK_SECRET must have at least 32 bytes; `openssl rand -hex 32` makes one",
        ),
        ("HUB_PARTITIONS", "9999", "HUB_PARTITIONS must be less than or equal to 256"),
    ],
)
def test_a_wrong_setting_is_named_as_it_is_written(
    environment: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load()
    assert str(refused.value) == said


def test_two_ways_to_check_tokens_are_both_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUB_AUTH__SECRET", SECRET)
    environment.setenv("HUB_AUTH__JWKS_URL", "https://example.com/jwks")
    with pytest.raises(SettingsError, match=r"^HUB_AUTH__SECRET and HUB_AUTH__JWKS_URL exclude each other"):
        load()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hub:word@127.0.0.1/hub",
        "postgresql://hub:word@word@127.0.0.1/hub",
        "postgresql://127.0.0.1/hub?user=hub&password=word",
    ],
)
def test_no_secret_is_shown(url: str) -> None:
    settings = Settings(database_url=SecretStr(url), auth=Auth(secret=SecretStr(SECRET)))
    found = shown(settings)
    assert found["HUB_AUTH__SECRET"] == "**********"
    assert "127.0.0.1" in str(found["HUB_DATABASE_URL"])
    assert "word@" not in str(found) + "@"
    assert "=word" not in str(found)


def test_the_account_of_resend_is_set_and_shown_by_its_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUB_RESEND__API_KEY", "re_very_secret")
    environment.setenv("HUB_RESEND__FROM", "Hub <hub@example.com>")
    settings = load()
    assert settings.resend.sender == "Hub <hub@example.com>"
    found = shown(settings)
    assert found["HUB_RESEND__FROM"] == "Hub <hub@example.com>"
    assert "very_secret" not in str(found)


ACCOUNT = {"ACCOUNT_SID": "AC1", "AUTH_TOKEN": "very_secret", "MESSAGING_SERVICE_SID": "MG1"}


def test_no_secret_of_a_provider_is_shown(environment: pytest.MonkeyPatch) -> None:
    key = {"type": "service_account", "project_id": "hub", "client_email": "h", "private_key": "very_secret"}
    environment.setenv("HUB_FCM__CREDENTIALS", json.dumps(key))
    for member, value in ACCOUNT.items():
        environment.setenv(f"HUB_TWILIO__{member}", value)
        environment.setenv(f"HUB_TWILIO_FALLBACK__{member}", value)
    environment.setenv("HUB_SMTP__HOST", "mail.example.com")
    environment.setenv("HUB_SMTP__FROM", "Hub <hub@example.com>")
    environment.setenv("HUB_SMTP__USERNAME", "hub")
    environment.setenv("HUB_SMTP__PASSWORD", "very_secret")
    environment.setenv("HUB_TELEGRAM__TOKEN", "42:very_secret")
    environment.setenv("HUB_TELEGRAM__WEBHOOK_SECRET", "very_secret")
    environment.setenv("HUB_TELEGRAM__ADMIN_IDS", "[4242, 4343]")
    settings = load()
    assert settings.fcm.key == key
    assert settings.smtp.port_used == 587
    assert settings.telegram.admin_ids == (4242, 4343)
    found = shown(settings)
    assert found["HUB_TWILIO_FALLBACK__ACCOUNT_SID"] == "AC1"
    assert found["HUB_SMTP__FROM"] == "Hub <hub@example.com>"
    assert "very_secret" not in str(found) + str(settings)


def test_a_second_account_needs_a_first(environment: pytest.MonkeyPatch) -> None:
    for member, value in ACCOUNT.items():
        environment.setenv(f"HUB_TWILIO_FALLBACK__{member}", value)
    with pytest.raises(
        SettingsError, match=r"^HUB_TWILIO__ACCOUNT_SID is not set: HUB_TWILIO_FALLBACK__… is"
    ):
        load()


def test_a_password_does_not_go_over_the_net_in_the_open(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HUB_SMTP__FROM", "hub@example.com")
    environment.setenv("HUB_SMTP__USERNAME", "hub")
    environment.setenv("HUB_SMTP__PASSWORD", "very_secret")
    environment.setenv("HUB_SMTP__TLS", "off")
    environment.setenv("HUB_SMTP__HOST", "127.0.0.1")
    assert load().smtp.port_used == 25
    environment.setenv("HUB_SMTP__HOST", "mail.example.com")
    with pytest.raises(SettingsError, match=r"^HUB_SMTP__TLS is off"):
        load()


def test_a_key_that_cannot_be_read_is_not_shown(tmp_path: Path) -> None:
    account = tmp_path / "key.json"
    with pytest.raises(ValueError, match="names a file that cannot be read: No such file"):
        _ = Fcm(credentials=SecretStr(str(account))).key
    account.write_text('{"very_secret"')
    with pytest.raises(ValueError, match="what is there is no JSON") as refused:
        _ = Fcm(credentials=SecretStr(str(account))).key
    assert "very_secret" not in str(refused.value)


def test_every_setting_says_what_it_means() -> None:
    silent = [name for name, _, meaning in explained(Settings()) if not meaning]
    assert silent == []


def test_every_setting_is_shown_by_its_variable(environment: pytest.MonkeyPatch) -> None:
    found = shown(load())
    assert found["HUB_LIMITS__BATCH"] == 1000
    assert found["HUB_AUTH__SECRET"] is None
    assert all(name.startswith("HUB_") and name == name.upper() for name in found)
