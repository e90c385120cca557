"""When a simulator stands in for an account."""

from pydantic import SecretStr

from ops.provider_settings import Resend, Smtp, Telegram, Twilio
from ops.sending import senders
from ops.settings import Settings
from ops.simulators.simulated import wanted, with_simulators
from schemas.clock import SystemClock

URLS = {"resend": "http://127.0.0.1:9"}


def test_every_process_of_a_data_directory_points_to_the_same_simulator() -> None:
    first, second = (with_simulators(Settings(), URLS, "secret").resend for _ in range(2))
    assert first == second
    assert first.base_url == URLS["resend"]
    assert first.webhook_secret is not None
    assert first.webhook_secret.get_secret_value().startswith("whsec_")


def test_links_are_signed_where_tokens_are_checked_with_a_public_key() -> None:
    first, second = (with_simulators(Settings(), URLS, "secret").link_secret for _ in range(2))
    assert first is not None
    assert first == second


ALL = {name: f"http://127.0.0.1:{n}" for n, name in enumerate(("fcm", "twilio", "resend", "telegram"), 9)}


def test_all_providers_are_simulated_where_no_account_is_set() -> None:
    assert wanted(Settings()) == tuple(ALL)
    first, second = (with_simulators(Settings(), ALL, "secret") for _ in range(2))
    assert first == second
    assert first.fcm.base_url == ALL["fcm"]
    assert first.twilio.base_url == ALL["twilio"]
    assert first.telegram.base_url == ALL["telegram"]
    assert not first.twilio_fallback.configured
    # What was made passes where it is read again.
    Twilio.model_validate(first.twilio.model_dump())
    Telegram.model_validate(first.telegram.model_dump())


def test_a_second_account_is_simulated_only_on_demand() -> None:
    assert "twilio_fallback" in wanted(Settings(), fallbacks=True)
    urls = {**ALL, "twilio_fallback": "http://127.0.0.1:19"}
    found = with_simulators(Settings(), urls, "secret")
    assert found.twilio_fallback.base_url == urls["twilio_fallback"]
    assert found.twilio_fallback.account_sid != found.twilio.account_sid


def test_a_mail_server_of_ones_own_leaves_resend_unsimulated() -> None:
    settings = Settings(smtp=Smtp(host="mail.example.com", sender="hub@example.com"))
    assert "resend" not in wanted(settings)
    urls = {name: url for name, url in ALL.items() if name in wanted(settings)}
    assert not with_simulators(settings, urls, "secret").resend.configured


def test_on_demand_resend_is_simulated_before_a_mail_server() -> None:
    settings = Settings(smtp=Smtp(host="mail.example.com", sender="hub@example.com"))
    assert "resend" in wanted(settings, fallbacks=True)
    found = with_simulators(settings, ALL, "secret")
    (mails,) = senders(found, SystemClock(), "https://hub.example.com", ("email",))
    assert [one.provider for one in mails.channels] == ["resend", "smtp"]


def test_an_account_at_resend_is_used_whatever_else_is_simulated() -> None:
    account = Resend(api_key=SecretStr("re_1"), sender="hub@example.com")
    assert "resend" not in wanted(Settings(resend=account), fallbacks=True)


def test_an_account_goes_before_the_simulator() -> None:
    account = Resend(api_key=SecretStr("re_1"), sender="hub@example.com")
    settings = Settings(resend=account)
    assert with_simulators(settings, URLS, "secret").resend == account


def test_where_none_runs_nothing_is_simulated() -> None:
    assert with_simulators(Settings(), {}, "secret").resend == Resend()
