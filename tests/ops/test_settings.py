"""Settings: what is refused, in which words, and what is shown."""

import os

import pytest
from pydantic import SecretStr

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


def test_every_setting_says_what_it_means() -> None:
    silent = [name for name, _, meaning in explained(Settings()) if not meaning]
    assert silent == []


def test_every_setting_is_shown_by_its_variable(environment: pytest.MonkeyPatch) -> None:
    found = shown(load())
    assert found["HUB_LIMITS__BATCH"] == 1000
    assert found["HUB_AUTH__SECRET"] is None
    assert all(name.startswith("HUB_") and name == name.upper() for name in found)
